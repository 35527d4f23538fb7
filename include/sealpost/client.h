// sealpost's client library: sends messages to a sealpost gateway, each delivered exactly once.
//
//   sealpost::Client client({.state = "/var/lib/me/sealpost"});
//   client.install("credential.json");  // once
//   const auto outcome = client.send("telemetry/room", "21.5");
//   if (outcome.kind == sealpost::Outcome::Kind::kOpen) client.flush();  // or later: it is on disk
//
// Compile and link with the flags that `pkg-config sealpost-client` prints.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost {

// What became of a message.
struct Outcome {
  enum class Kind {
    kAccepted,  // The server received the message, now or the first time it was sent.
    kRejected,  // The server did not act on the message, and sending it again would not help.  The
                // client keeps it: see rejected().
    kFailed,    // The server received the message, but its handler failed.  It is not sent again.
    kOpen,      // Not known yet.  The message is in the outbox and flush() sends it again.  With
                // status kRevoked or kForbidden it waits for a new credential; if the server may
                // have acted on it, installing that reports it and keeps it with rejected().
                // With status kDamaged it is moved away, and is not sent again.
    kUnknown,   // Whether the server acted on the message can no longer be known.  The client does
                // not send it again.  It keeps it: see rejected().
  };
  enum class Status {
    // The server's answer, sealed:
    kAccepted,
    kDuplicate,    // accepted when it was first sent
    kInProgress,   // its handler still runs
    kConflict,     // another message used the same counter
    kTooOld,       // the server no longer knows whether it received the message
    kLate,         // the clocks differ too much
    kForbidden,    // the client's claims do not allow it
    kRevoked,      // the client's credential is revoked
    kMalformed,    // the server cannot read the message
    kFailed,       // the handler failed
    kUnavailable,  // the server cannot accept messages now
    kNoRoute,      // no route takes the topic from this client
    kWithdrawn,    // the client withdrew the message before the server knew it
    kSuspended,    // in progress when the server was restored: its operator decides
    // The server's answer, or found by the client:
    kTooLarge,  // the message is larger than the gateway accepts
    // Found by the client:
    kNetwork,   // no answer arrived
    kUnsealed,  // the answer is not the gateway's, or the gateway does not know the session
    kStored,    // the message is stored, but was not sent
    kDamaged,   // the message's file fails its checksum
  };
  Kind kind = Kind::kOpen;
  Status status = Status::kStored;
  std::string reason;  // a sentence for people; empty if the message was accepted
  std::string body;    // the reply
};

// "accepted", "in_progress", "too_large", ...
[[nodiscard]] std::string_view name_of(Outcome::Status status);

// A message that the client keeps but does not send.
struct RejectedMessage {
  std::string name;  // "1-0a1b2c3d-7": generation, installation and counter
  std::string topic;
  std::size_t size = 0;  // of the body
  std::string status;    // as of name_of(Outcome::Status)
  std::string reason;
  bool unknown = false;  // the server may have acted on it
  bool damaged = false;  // its file fails its checksum, so it cannot be sent
};

// The reply to a message that flush() sent, or send() before its own message.
struct Reply {
  std::string name;  // the message's: generation, installation and counter
  std::string topic;
  std::string body;
};

struct ClientOptions {
  // The directory with the client's credential, its keys and its open messages.  Mode 0700.
  std::string state;
  // Sends name and key_use_hmac as plain text as well, for web servers that route requests by them.
  bool clear_fields = false;
  // Receives messages for the user that are not an outcome: what became of an older message, or
  // that the credential is in use elsewhere.  No message contains a newline.
  std::function<void(const std::string&)> report = nullptr;
  // How long a function of Client may take.  After that it sends nothing new, and the message is
  // open.  A body that is on its way is not cut while it moves: it may then be without a byte for
  // as long as it had moved before, at most 20 s.  flush() gets the whole time again for each
  // message that is settled.
  std::chrono::milliseconds timeout = std::chrono::seconds(15);
  // Receives a sentence about once a second while a function waits for the server.
  std::function<void(const std::string&)> progress = nullptr;
};

// One process at a time works with a state directory.  If another process does, each function
// except queue() and status() waits up to 10 s, within ClientOptions::timeout.  All functions throw
// std::runtime_error for local errors: no state, a full disk, a bad credential, a credential that
// is not the installed one.  Not thread-safe.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Installs a credential file, starts a session and sends a ping.
  //
  // If the same credential is installed already, its state is kept.  A renewed credential takes
  // over the messages that were never sent; messages that may have been sent with the former
  // credential are reported and kept with rejected().  Any other credential starts with an empty
  // state, and install() throws while messages of the former credential are open.
  Outcome install(const std::string& credential_file);

  // Stores a message, sends the messages that are still open, then sends this one.  Tries until
  // ClientOptions::timeout if nobody answers.  topic: 1-128 bytes of A-Z a-z 0-9 . _ - /, not
  // beginning with "sealpost/".  body: at most 768 MiB, and at most what the gateway accepts, often
  // 1 MiB.
  Outcome send(std::string_view topic, std::string_view body);

  // Stores a message for a later flush().  Does not wait for another process.
  void queue(std::string_view topic, std::string_view body);

  // Sends all open messages, and keeps their replies: see replies().  Returns kAccepted if all were
  // accepted; else the worst outcome: kOpen before kUnknown before kFailed before kRejected.
  Outcome flush();

  // The messages that the server rejected, or whose outcome is unknown.
  [[nodiscard]] std::vector<RejectedMessage> rejected() const;
  // Sends a rejected message as a new one.  `name` may be a counter if only one message has it.
  // Throws if the server may have acted on it already, unless `again` is true.
  Outcome send_rejected(const std::string& name, bool again = false);
  void drop_rejected(const std::string& name);

  // Calls `take` for each kept reply, in the order they came.  Deletes a reply if `take` returns
  // true.  After a kill the same reply may come again.  `take` may use other clients of this state.
  void replies(const std::function<bool(const Reply&)>& take);

  // Sends a message that the gateway answers but does not deliver.  It is not kept.
  Outcome ping();

  struct Status {
    std::string name;
    std::string url;
    std::string role;
    unsigned generation = 0;
    std::size_t open = 0;      // messages in the outbox
    std::size_t rejected = 0;  // messages in rejected()
    bool in_session = false;
    std::string session_until;  // ISO 8601, by the server's clock; empty without a session
  };
  [[nodiscard]] Status status() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace sealpost
