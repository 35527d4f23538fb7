#include "sealpost/client.h"

#include <algorithm>
#include <thread>

#include "client/outcome.h"
#include "client/sender.h"
#include "client/time_limit.h"

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
  TimeLimit limit;  // of the command that runs
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
      post =
          http_post(url, {.left = [this] { return limit.left(); }, .progress = options.progress});
    }
    return {outbox,
            {.post = post,
             .now = system_now,
             .sleep =
                 [](Milliseconds time) {
                   std::this_thread::sleep_for(std::chrono::milliseconds(time));
                 },
             .report = options.report,
             .clear_fields = options.clear_fields,
             .left = [this] { return limit.left(); },
             .restart_time = [this] { limit.restart(); },
             .progress = options.progress}};
  }

  // Prepares the outbox for another credential.  A renewed credential takes over the messages that
  // were never sent.  A message with a counter may have been sent with the former credential: under
  // a new counter the server could act on it twice, so it is kept aside.  Throws Fault if the
  // credential is not a renewal and messages are open.
  void prepare_for(const Credential& credential, const Outbox& outbox) const {
    const std::vector<Outbox::Entry> open = outbox.entries();
    if (open.empty()) return;
    std::optional<ClientState> former = outbox.former_state();
    if (!former || !is_renewal(credential, *former)) {
      throw Fault("Messages of the former credential are still open (" +
                  std::to_string(open.size()) + "). Run `sealpost-client flush`, or move " +
                  options.state + " away.");
    }
    for (const Outbox::Entry& entry : open) {
      if (entry.counter) abandon(outbox, entry, *former);
    }
  }

  // Keeps a message aside as unknown, and reports it.
  void abandon(const Outbox& outbox, const Outbox::Entry& entry, ClientState& former) const {
    Outcome outcome = outcome_of(Outcome::Kind::kUnknown, sealpost::Status::kRevoked);
    outcome.reason =
        "The server may have acted on it under the former credential. It is not sent again.";
    former.next = std::max(former.next, *entry.counter + 1);
    const std::optional<Message> message = outbox.read(entry);
    const std::string topic = message ? message->topic : "damaged";
    const std::string name = outbox.keep_aside(entry, former, outcome);
    options.report("Message " + std::to_string(*entry.counter) + " (" + topic + "): unknown: " +
                   outcome.reason + " It is kept as rejected message " + name + ".");
  }

  // Begins a command.  Returns false if another process works with the state directory.
  bool lock(Outbox& outbox) {
    limit.restart();
    if (!outbox.lock(std::min(kLockTimeout, limit.left()))) return false;
    for (const std::string& sentence : outbox.recover()) options.report(sentence);
    return true;
  }
  void lock_or_throw(Outbox& outbox) {
    if (!lock(outbox)) throw Fault(busy().reason);
  }
};

Client::Client(ClientOptions options)
    : implementation_(new Implementation{std::move(options), TimeLimit(Milliseconds{0}), {}, {}}) {
  if (implementation_->options.state.empty())
    throw Fault("No state directory is named. Set ClientOptions::state.");
  ClientOptions& given = implementation_->options;
  if (!given.report) given.report = [](const std::string&) {};
  if (!given.progress) given.progress = [](const std::string&) {};
  if (given.timeout <= std::chrono::milliseconds(0)) {
    throw Fault("The timeout is not positive. Set ClientOptions::timeout.");
  }
  implementation_->limit =
      TimeLimit(Milliseconds(static_cast<std::uint64_t>(given.timeout.count())));
}

Client::~Client() = default;

Outcome Client::install(const std::string& credential_file) {
  const crypto::SecretBytes text = read_secret_file(credential_file);
  const Credential credential = parse(text, credential_file);
  Outbox outbox(implementation_->options.state);
  if (!implementation_->lock(outbox)) return busy();
  const std::optional<ClientState> state = outbox.readable_state();
  const bool same = state && state->belongs_to(credential);
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
  const bool locked = implementation_->lock(outbox);
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
  if (!implementation_->lock(outbox)) return busy();
  return implementation_->sender(outbox).deliver_all();
}

std::vector<RejectedMessage> Client::rejected() const {
  return Outbox(implementation_->options.state).rejected().list();
}

Outcome Client::send_rejected(const std::string& name, bool again) {
  Outbox outbox(implementation_->options.state);
  (void)outbox.credential();
  implementation_->lock_or_throw(outbox);
  const RejectedMessage message = outbox.rejected().find(name);
  if (message.damaged) {
    throw Fault("Rejected message " + message.name +
                " is damaged. Drop it: `sealpost-client "
                "rejected drop " +
                message.name + "`.");
  }
  if (message.unknown && !again) {
    throw Fault("The server may have acted on message " + message.name +
                " already. To send it nevertheless, use --again.");
  }
  return implementation_->sender(outbox).deliver(outbox.put_back(message.name));
}

void Client::drop_rejected(const std::string& name) {
  Outbox outbox(implementation_->options.state);
  implementation_->lock_or_throw(outbox);
  outbox.rejected().drop(outbox.rejected().find(name).name);
}

void Client::replies(const std::function<bool(const Reply&)>& take) {
  const Outbox outbox(implementation_->options.state);
  for (const std::string& damaged : outbox.replies().take_each(take)) {
    implementation_->options.report("A reply was damaged and is now " +
                                    outbox.move_to_damaged(damaged) + ".");
  }
}

Outcome Client::ping() {
  Outbox outbox(implementation_->options.state);
  (void)outbox.credential();
  if (!implementation_->lock(outbox)) return busy();
  return implementation_->sender(outbox).deliver_or_drop(outbox.store(kPingTopic, ""));
}

Client::Status Client::status() const {
  const Outbox outbox(implementation_->options.state);
  const Credential credential = outbox.credential();
  std::optional<ClientState> state = outbox.readable_state();
  if (!state) state = ClientState::fresh(credential);
  Status status;
  status.name = credential.name;
  status.url = credential.url;
  status.role = credential.claims.role();
  status.generation = credential.generation;
  for (const Outbox::Entry& entry : outbox.entries()) status.open += entry.is_ping ? 0 : 1;
  status.rejected = outbox.rejected().list().size();
  const auto now = static_cast<std::int64_t>(to_ms(system_now())) + state->offset.count();
  status.in_session =
      state->session && now < static_cast<std::int64_t>(to_ms(state->session->expires_at));
  if (status.in_session) status.session_until = iso_time(state->session->expires_at);
  return status;
}

}  // namespace sealpost
