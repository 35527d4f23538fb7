#include "sealpost/client.h"

#include <algorithm>
#include <thread>

#include "client/sender.h"

namespace sealpost {
namespace {

constexpr Milliseconds kLockPatience = 10 * kSecond;
// The largest SEALPOST_MAX_BODY is 1 GiB, and base64url makes four bytes of three: what is larger
// never fits, whatever the operator sets.
constexpr std::size_t kLargestBody = (std::size_t{1} << 30) / 4 * 3;

Outcome busy() {
  return {Outcome::Kind::kOpen, "stored", "another process works with this state folder", ""};
}

Credential parse(ByteView text, const std::string& file) {
  try {
    return Credential::parse(text_of(text));
  } catch (const Fault& fault) {
    throw Fault(file + ": " + fault.what());
  }
}

// Where messages enter: pings are the library's own, and what no gateway takes would lie in the
// outbox for nothing.
// NOLINTNEXTLINE(bugprone-easily-swappable-parameters): in the order of Client::send().
void require_sendable(std::string_view topic, std::string_view body) {
  if (is_reserved_topic(topic)) {
    throw Fault("topics that begin with sealpost/ are the protocol's own: name another");
  }
  if (body.size() > kLargestBody) {
    throw Fault("the body has " + std::to_string(body.size()) +
                " bytes, and no gateway takes more than " + std::to_string(kLargestBody) +
                ": send it in parts");
  }
}

// Whether a credential is what its client was issued after `former`, or with it.
bool is_renewal(const Credential& credential, const ClientState& former) {
  return credential.server_id == former.server_id && credential.name == former.name &&
         credential.generation >= former.generation;
}

}  // namespace

struct Client::Inside {
  ClientOptions options;
  std::string url;
  Post post;

  Sender sender(const Outbox& outbox) {
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

  // Before another credential starts empty: what is open goes over to a renewed one, and forbids
  // any other.  A message that has its number may have acted under the former; under new counters
  // it would be another message and could act again, so it is let go of.
  void make_way(const Outbox& outbox, const Credential& credential) const {
    const std::vector<Outbox::Entry> open = outbox.entries();
    if (open.empty()) return;
    const std::optional<ClientState> former = outbox.former();
    if (!former || !is_renewal(credential, *former)) {
      throw Fault(std::to_string(open.size()) +
                  " message(s) of the former credential are still open: flush them, or move " +
                  options.state + " away");
    }
    for (const Outbox::Entry& entry : open) {
      if (entry.counter) let_go(outbox, entry);
    }
  }

  // Reported before it is gone and counted as used before that, so that wherever this is cut off it
  // can begin again.
  void let_go(const Outbox& outbox, const Outbox::Entry& entry) const {
    options.report("an earlier one, message " + std::to_string(*entry.counter) + " (" +
                   outbox.read(entry).topic +
                   "): unknown, whether it took effect under the former credential will not be "
                   "known; it is not sent again");
    if (outbox.is_installed()) {
      ClientState state = outbox.state();
      state.next = std::max(state.next, *entry.counter + 1);
      outbox.save(state);
    }
    outbox.remove(entry);
  }
};

Client::Client(ClientOptions options) : inside_(new Inside{std::move(options), {}, {}}) {
  if (inside_->options.state.empty())
    throw Fault("no state folder is named: where is the client to keep its keys?");
  if (!inside_->options.report) inside_->options.report = [](const std::string&) {};
}

Client::~Client() = default;

Outcome Client::install(const std::string& credential_file) {
  const crypto::SecretBytes text = read_secret_file(credential_file);
  const Credential credential = parse(text, credential_file);
  Outbox outbox(inside_->options.state);
  if (!outbox.lock(kLockPatience)) return busy();
  const bool same = outbox.is_installed() && outbox.state().belongs_to(credential);
  if (same) {
    outbox.replace_credential(text);
  } else {
    inside_->make_way(outbox, credential);
    outbox.install(text, ClientState::fresh(credential));
  }
  Sender sender = inside_->sender(outbox);
  Outcome connected = sender.connect();
  if (connected.kind != Outcome::Kind::kAccepted) return connected;
  return sender.deliver_or_drop(outbox.store(kPingTopic, ""));
}

Outcome Client::send(std::string_view topic, std::string_view body) {
  require_sendable(topic, body);
  Outbox outbox(inside_->options.state);
  (void)outbox.credential();  // nothing is stored for a client that is none
  const bool locked = outbox.lock(kLockPatience);
  const Outbox::Entry entry = outbox.store(topic, body);
  if (!locked) return busy();
  try {
    return inside_->sender(outbox).deliver(entry);
  } catch (const Fault& fault) {
    return {Outcome::Kind::kOpen, "stored", fault.what(),
            ""};  // it lies in the outbox all the same
  }
}

void Client::queue(std::string_view topic, std::string_view body) {
  require_sendable(topic, body);
  const Outbox outbox(inside_->options.state);
  (void)outbox.credential();
  (void)outbox.store(topic, body);
}

Outcome Client::flush() {
  Outbox outbox(inside_->options.state);
  if (!outbox.lock(kLockPatience)) return busy();
  return inside_->sender(outbox).deliver_all();
}

Outcome Client::ping() {
  Outbox outbox(inside_->options.state);
  (void)outbox.credential();
  if (!outbox.lock(kLockPatience)) return busy();
  return inside_->sender(outbox).deliver_or_drop(outbox.store(kPingTopic, ""));
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
  const auto now = static_cast<std::int64_t>(to_ms(system_now())) + state.offset.count();
  status.in_session =
      state.session && now < static_cast<std::int64_t>(to_ms(state.session->expires_at));
  if (status.in_session) status.session_until = iso_time(state.session->expires_at);
  return status;
}

}  // namespace sealpost
