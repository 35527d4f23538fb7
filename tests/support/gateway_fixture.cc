#include "support/gateway_fixture.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/stat.h>

namespace sealpost::test {

GatewayFixture::GatewayFixture() : home(folder / "home") {
  umask(077);
  home.create(now);
  home.set_url("http://127.0.0.1/gate");
  texts_[kHome] = home.root();
  texts_[kLog] = folder / "log";
  restart();
}

void GatewayFixture::set(Setting which, const std::string& value) {
  texts_.at(which) = value;
  restart();
}

void GatewayFixture::restart() {
  gateway_.reset();
  pool_ = std::make_unique<WorkerPool>();
  gateway_.emplace(texts_, *pool_);
}

Peer GatewayFixture::client(const std::string& name, const std::string& role, Claims::Map more) {
  more["role"] = role;
  const Claims claims = *Claims::of(std::move(more));
  Database at = database();
  const Generation generation = Clients(at).add(name, home.newest_kid(), claims, now);
  Peer peer(Credential::issue(home.keyring(), home.newest_kid(), name, generation, claims, ""),
            wire());
  peer.now = [this] { return now; };
  return peer;
}

Peer GatewayFixture::renewed(const Peer& peer, Milliseconds grace) {
  Database at = database();
  const Claims& claims = peer.credential.claims;
  const Generation generation =
      Clients(at).renew(peer.credential.name, home.newest_kid(), claims, now, grace);
  Peer next(Credential::issue(home.keyring(), home.newest_kid(), peer.credential.name, generation,
                              claims, ""),
            wire());
  next.now = peer.now;
  return next;
}

Wire GatewayFixture::wire() {
  return [this](const std::string& form) { return post(request(form)); };
}

Request GatewayFixture::request(const std::string& body) {
  Request request;
  request.method = "POST";
  request.content_type = "application/x-www-form-urlencoded";
  request.announced = body.size();
  request.body = body;
  return request;
}

Reply GatewayFixture::post(const Request& request) {
  Handled handled = handle(request);
  if (auto* delivery = std::get_if<PendingDelivery>(&handled)) {
    delivery->run();
    finish(*delivery);
    handled = delivery->response.value();
  }
  const auto& response = std::get<Response>(handled);
  return {response.status, response.sealed ? "application/octet-stream" : "text/plain",
          response.body};
}

std::vector<Handled> GatewayFixture::handle(std::span<const Request> batch) {
  std::vector<const Request*> pointers;
  for (const Request& request : batch) pointers.push_back(&request);
  return gateway().handle(pointers, now);
}

Handled GatewayFixture::handle(const Request& request) {
  return std::move(handle({&request, 1}).front());
}

PendingDelivery GatewayFixture::begin(const Request& request) {
  return std::get<PendingDelivery>(handle(request));
}

void GatewayFixture::finish(PendingDelivery& delivery) {
  PendingDelivery* const done = &delivery;
  gateway().finish({&done, 1}, now);
}

std::vector<InboxRow> GatewayFixture::inbox() const {
  Database at = database();
  std::vector<InboxRow> rows;
  Inbox(at).list({}, [&](const InboxRow& row) { rows.push_back(row); });
  return rows;
}

std::string GatewayFixture::dump() const {
  SQLite::Database at(home.store_paths().database, SQLite::OPEN_READONLY);
  std::string all;
  for (const char* table :
       {"server", "client", "installation", "session", "handshake", "message", "tally", "usage"}) {
    SQLite::Statement rows(at, std::string("SELECT * FROM ") + table);
    while (rows.executeStep()) {
      for (int i = 0; i < rows.getColumnCount(); ++i) {
        all.append(rows.getColumn(i).getString()).push_back('|');
      }
      all.append("\n");
    }
  }
  return all;
}

std::string GatewayFixture::sql(const std::string& statement) const {
  SQLite::Database at(home.store_paths().database, SQLite::OPEN_READWRITE, 1000);
  at.exec("PRAGMA foreign_keys = OFF");
  SQLite::Statement query(at, statement);
  return query.executeStep() ? query.getColumn(0).getString() : "";
}

}  // namespace sealpost::test
