// What a handler is, whatever its kind: something outside that is given one message and answers.
#pragma once

#include <atomic>
#include <string>

#include "base/bytes.h"
#include "base/time.h"
#include "store/store.h"

namespace sealpost {

constexpr std::size_t kReplyMax = 65'536;  // bytes (PROTOCOL 6, step 9)

struct HandlerResult {
  enum class Kind : std::uint8_t {
    kDone,
    kFailed,
    kCutShort,  // we were told to stop before it had ended, or could not begin: nothing is known
  };
  Kind kind = Kind::kFailed;
  Bytes reply;         // kDone
  std::string why;     // kFailed, kCutShort: a sentence for the log
  std::string errors;  // what a program wrote to stderr, at most 64 KiB
};

// How long a handler may take, and a word from outside that it must end now.
struct Patience {
  Milliseconds timeout;
  const std::atomic<bool>& stop;
};

// The key to deduplicate on: "client1:" and the client's message_id in base64url.
[[nodiscard]] std::string idempotency_key(const Errand& errand);

// Runs a program.  The body is its stdin, its stdout the reply, and exit status 0 success.  It
// sees SEALPOST_NAME, _ROLE, _CLAIM_<KEY>, _TOPIC, _MESSAGE_ID, _NUMBER, _ATTEMPT and a PATH, and
// inherits no other file; its working directory is the program's.  It leads a process group of its
// own, which is killed whole when the time is up, and when the program has ended.
[[nodiscard]] HandlerResult run_program(const std::string& path, const Errand& errand,
                                        const Patience& patience);

// Posts to a web application on a socket of this host's, over a connection this thread keeps.  A
// 2xx answer is success, its body the reply.
[[nodiscard]] HandlerResult post_to(const std::string& address, std::uint16_t port,
                                    const std::string& request_target, const Errand& errand,
                                    const Patience& patience);

}  // namespace sealpost
