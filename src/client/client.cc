#include "sealpost/client.h"

#include <thread>

#include "client/courier.h"

namespace sealpost {
namespace {

constexpr Milliseconds kLockPatience = 10 * kSecond;

Outcome busy() {
  return {Outcome::Kind::kOpen, "stored", "another process works with this state folder", ""};
}

}  // namespace

struct Client::Inside {
  ClientOptions options;
  std::string url;
  Post post;

  Courier courier(const Outbox& outbox) {
    const std::string now_at = outbox.credential().url;
    if (now_at.empty()) {
      throw Fault(
          "the credential names no URL: put the gateway's into \"url\", or ask the operator to run "
          "`sealpost init --url URL` and issue it again");
    }
    if (!post || url != now_at) {
      url = now_at;
      post = http_post(url);
    }
    return {outbox,
            {.post = post,
             .now = system_now,
             .sleep =
                 [](Milliseconds time) {
                   std::this_thread::sleep_for(std::chrono::milliseconds(time));
                 },
             .report = options.report,
             .clear_fields = options.clear_fields}};
  }
};

Client::Client(ClientOptions options) : inside_(new Inside{std::move(options), {}, {}}) {
  if (inside_->options.state.empty()) throw Fault("no state folder is named");
  if (!inside_->options.report) inside_->options.report = [](const std::string&) {};
}

Client::~Client() = default;

Outcome Client::install(const std::string& credential_file) {
  const crypto::SecretBytes text = read_secret_file(credential_file);
  const Credential credential = Credential::parse(text_of(text));
  Outbox outbox(inside_->options.state);
  if (!outbox.lock(kLockPatience)) return busy();
  const bool same = outbox.is_installed() && outbox.state().belongs_to(credential);
  if (!same && !outbox.entries().empty()) {
    throw Fault(std::to_string(outbox.entries().size()) +
                " message(s) of the former credential are still open: flush them, or move " +
                inside_->options.state + " away");
  }
  outbox.install(text, same ? outbox.state() : ClientState::fresh(credential));
  Courier courier = inside_->courier(outbox);
  Outcome connected = courier.connect();
  if (connected.kind != Outcome::Kind::kAccepted) return connected;
  return courier.deliver_or_drop(outbox.store(kPingTopic, ""));
}

Outcome Client::send(std::string_view topic, std::string_view body) {
  Outbox outbox(inside_->options.state);
  (void)outbox.credential();  // nothing is stored for a client that is none
  const bool locked = outbox.lock(kLockPatience);
  const Outbox::Entry entry = outbox.store(topic, body);
  if (!locked) return busy();
  try {
    return inside_->courier(outbox).deliver(entry);
  } catch (const Fault& fault) {
    return {Outcome::Kind::kOpen, "stored", fault.what(),
            ""};  // it lies in the outbox all the same
  }
}

void Client::queue(std::string_view topic, std::string_view body) {
  const Outbox outbox(inside_->options.state);
  (void)outbox.credential();
  (void)outbox.store(topic, body);
}

Outcome Client::flush() {
  Outbox outbox(inside_->options.state);
  if (!outbox.lock(kLockPatience)) return busy();
  return inside_->courier(outbox).deliver_all();
}

Outcome Client::ping() {
  Outbox outbox(inside_->options.state);
  (void)outbox.credential();
  if (!outbox.lock(kLockPatience)) return busy();
  return inside_->courier(outbox).deliver_or_drop(outbox.store(kPingTopic, ""));
}

Client::Status Client::status() const {
  const Outbox outbox(inside_->options.state);
  const Credential credential = outbox.credential();
  const ClientState state = outbox.state();
  Status status;
  status.name = credential.name;
  status.url = credential.url;
  status.role = credential.claims.role();
  status.generation = credential.generation;
  status.open = outbox.entries().size();
  const auto now = static_cast<std::int64_t>(system_now()) + state.offset;
  status.in_session = state.session && now < static_cast<std::int64_t>(state.session->expires_at);
  if (status.in_session) status.session_until = iso_time(state.session->expires_at);
  return status;
}

}  // namespace sealpost
