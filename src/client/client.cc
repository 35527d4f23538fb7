#include "sealpost/client.h"

#include <algorithm>
#include <thread>

#include "client/outcome.h"
#include "client/sender.h"

namespace sealpost {
namespace {

constexpr Milliseconds kLockTimeout = 10 * kSecond;
// The largest SEALPOST_MAX_BODY is 1 GiB, and base64url encodes three bytes as four.  No gateway
// accepts a larger body.
constexpr std::size_t kMaxBodySize = (std::size_t{1} << 30) / 4 * 3;

Outcome busy() {
  return open_outcome(Outcome::Status::kStored,
                      "Another process works with this state directory. Try again later.");
}

Credential parse(ByteView text, const std::string& file) {
  try {
    return Credential::parse(text_of(text));
  } catch (const Fault& fault) {
    throw Fault(file + ": " + fault.what());
  }
}

// Rejects a message that no gateway accepts before it is stored.
// NOLINTNEXTLINE(bugprone-easily-swappable-parameters): in the order of Client::send().
void require_sendable(std::string_view topic, std::string_view body) {
  if (is_reserved_topic(topic)) {
    throw Fault("Topics that begin with sealpost/ are reserved. Use another topic.");
  }
  if (body.size() > kMaxBodySize) {
    throw Fault("The body has " + std::to_string(body.size()) +
                " bytes, but no gateway accepts more than " + std::to_string(kMaxBodySize) +
                ". Send it in parts.");
  }
}

// Whether the server issued a credential to the client of `former`, with it or after it.
bool is_renewal(const Credential& credential, const ClientState& former) {
  return credential.server_id == former.server_id && credential.name == former.name &&
         credential.generation >= former.generation;
}

}  // namespace

struct Client::Implementation {
  ClientOptions options;
  std::string url;
  Post post;

  Sender sender(const Outbox& outbox) {
    const std::string current = outbox.credential().url;
    if (current.empty()) {
      throw Fault(
          "The credential contains no URL. Set \"url\" in it to the gateway's URL, or ask the "
          "operator to run `sealpost init --url URL` and to issue it again.");
    }
    if (!post || url != current) {
      url = current;
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

  // Prepares the outbox for another credential.  A renewed credential takes over the messages that
  // were never sent.  A message with a counter may have been sent with the former credential: under
  // a new counter the server could act on it twice, so it is deleted.  Throws Fault if the
  // credential is not a renewal and messages are open.
  void prepare_for(const Credential& credential, const Outbox& outbox) const {
    const std::vector<Outbox::Entry> open = outbox.entries();
    if (open.empty()) return;
    const std::optional<ClientState> former = outbox.former_state();
    if (!former || !is_renewal(credential, *former)) {
      throw Fault("Messages of the former credential are still open (" +
                  std::to_string(open.size()) + "). Run `sealpost-client flush`, or move " +
                  options.state + " away.");
    }
    for (const Outbox::Entry& entry : open) {
      if (entry.counter) abandon(outbox, entry);
    }
  }

  // Reports a message, counts its counter as used, then deletes it, in this order: if it is
  // interrupted, the next install() does it again.
  void abandon(const Outbox& outbox, const Outbox::Entry& entry) const {
    options.report("Message " + std::to_string(*entry.counter) + " (" + outbox.read(entry).topic +
                   "): unknown: The server may have acted on it under the former credential. It is "
                   "not sent again.");
    if (outbox.is_installed()) {
      ClientState state = outbox.state();
      state.next = std::max(state.next, *entry.counter + 1);
      outbox.save(state);
    }
    outbox.remove(entry);
  }
};

Client::Client(ClientOptions options)
    : implementation_(new Implementation{std::move(options), {}, {}}) {
  if (implementation_->options.state.empty())
    throw Fault("No state directory is named. Set ClientOptions::state.");
  if (!implementation_->options.report) implementation_->options.report = [](const std::string&) {};
}

Client::~Client() = default;

Outcome Client::install(const std::string& credential_file) {
  const crypto::SecretBytes text = read_secret_file(credential_file);
  const Credential credential = parse(text, credential_file);
  Outbox outbox(implementation_->options.state);
  if (!outbox.lock(kLockTimeout)) return busy();
  const bool same = outbox.is_installed() && outbox.state().belongs_to(credential);
  if (same) {
    outbox.replace_credential(text);
  } else {
    implementation_->prepare_for(credential, outbox);
    outbox.install(text, ClientState::fresh(credential));
  }
  Sender sender = implementation_->sender(outbox);
  Outcome connected = sender.connect();
  if (connected.kind != Outcome::Kind::kAccepted) return connected;
  return sender.deliver_or_drop(outbox.store(kPingTopic, ""));
}

Outcome Client::send(std::string_view topic, std::string_view body) {
  require_sendable(topic, body);
  Outbox outbox(implementation_->options.state);
  (void)outbox.credential();  // throws before anything is stored
  const bool locked = outbox.lock(kLockTimeout);
  const Outbox::Entry entry = outbox.store(topic, body);
  if (!locked) return busy();
  try {
    return implementation_->sender(outbox).deliver(entry);
  } catch (const Fault& fault) {
    return open_outcome(Outcome::Status::kStored, fault.what());  // the message is in the outbox
  }
}

void Client::queue(std::string_view topic, std::string_view body) {
  require_sendable(topic, body);
  const Outbox outbox(implementation_->options.state);
  (void)outbox.credential();
  (void)outbox.store(topic, body);
}

Outcome Client::flush() {
  Outbox outbox(implementation_->options.state);
  if (!outbox.lock(kLockTimeout)) return busy();
  return implementation_->sender(outbox).deliver_all();
}

Outcome Client::ping() {
  Outbox outbox(implementation_->options.state);
  (void)outbox.credential();
  if (!outbox.lock(kLockTimeout)) return busy();
  return implementation_->sender(outbox).deliver_or_drop(outbox.store(kPingTopic, ""));
}

Client::Status Client::status() const {
  const Outbox outbox(implementation_->options.state);
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
