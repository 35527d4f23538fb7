#include "protocol/idempotency_key.h"

#include "base/encoding.h"

namespace sealpost {
namespace {

constexpr std::string_view kLabel = "sealpost/1 message";
constexpr std::size_t kBytes = 16;

}  // namespace

std::string idempotency_key(const ServerId& server_id, const Installation& sender,
                            std::uint64_t counter, const crypto::Digest& digest) {
  Writer subject;
  subject.put(bytes_of(kLabel)).put(server_id);
  subject.lp8(sender.name).u32(sender.generation).put(sender.nonce);
  subject.u64(counter).put(digest);
  const crypto::Digest whole = crypto::sha256({subject.view()});
  return hex(ByteView(whole).first(kBytes));
}

}  // namespace sealpost
