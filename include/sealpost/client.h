// sealpost's client library: messages to a sealpost gateway, each delivered exactly once.
//
//   sealpost::Client client({.state = "/var/lib/me/sealpost"});
//   client.install("credential.json");                        // once
//   const auto outcome = client.send("telemetry/room", "21.5");
//   if (outcome.kind == sealpost::Outcome::Kind::kOpen) ...   // flush() later: it is on disk
//
// Link with -lsealpost-client -lcurl -lcrypto.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sealpost {

// What became of a message.
struct Outcome {
  enum class Kind {
    kAccepted,  // it took effect, now or when it was first sent
    kRefused,   // it took no effect, or what it set off failed; sending it again would change
                // nothing.  Where the client itself is refused ("revoked") a message that has never
                // left stays in the outbox, and a new credential takes it over
    kOpen,      // nobody knows yet; it lies in the outbox, and flush() goes on with it.  Where
                // status is "revoked" that is hopeless, but it may have acted before: installing a
                // new credential reports it and lets go of it
    kUnknown,   // whether it took effect will not be known (conflict, too_old, too_large after it
                // may have left); it is never sent again
  };
  Kind kind = Kind::kOpen;
  std::string status;  // the gateway's word ("accepted", "forbidden", ...), or "network", "stored"
  std::string reason;  // a sentence for people; empty where all is well
  std::string body;    // the reply
};

struct ClientOptions {
  // The folder in which a client keeps its credential, its keys and every open message; 0700.
  std::string state;
  // Sends name and key_use_hmac in clear beside the seal, for servers that sort requests by them.
  bool clear_fields = false;
  // Hears what the user should know besides outcomes: an older message's fate, a credential in use
  // elsewhere.  Sentences without a newline.
  std::function<void(const std::string&)> report;
};

// One process works with a state folder at a time; another one waits for up to 10 s.  All functions
// throw std::runtime_error, with a sentence, for what is wrong on this side: no state, no disk, a
// bad credential, another's than is installed. Not thread-safe.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Takes up a credential file's identity, makes a session and sends a ping.  The same credential
  // again keeps what is there.  A renewed one takes over the messages that have never left; those
  // that may have acted under the former are reported, one by one, and never sent again.  Any other
  // starts empty, and is refused while messages of the former are open.
  Outcome install(const std::string& credential_file);

  // Stores a message, then sends it, after those that are still open, with some patience: about 15
  // s where nobody answers.  topic: 1-128 bytes of A-Z a-z 0-9 . _ - /, not start with
  // "sealpost/".  body: at most 768 MiB, and what the gateway takes, which is often 1 MiB.
  Outcome send(std::string_view topic, std::string_view body);

  // Stores a message for a later flush().  Does not wait for another process.
  void queue(std::string_view topic, std::string_view body);

  // Sends all that is open.  kAccepted if nothing is left and all was accepted; else the worst of
  // what was met: kOpen before kUnknown before kRefused.
  Outcome flush();

  // A message that is delivered nowhere: the whole way, there and back.  It is never kept.
  Outcome ping();

  struct Status {
    std::string name;
    std::string url;
    std::string role;
    unsigned generation = 0;
    std::size_t open = 0;  // messages in the outbox
    bool in_session = false;
    std::string session_until;  // ISO 8601, by the server's clock; empty without a session
  };
  [[nodiscard]] Status status() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace sealpost
