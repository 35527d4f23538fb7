#include "delivery/job.h"

#include "base/encoding.h"

namespace sealpost {

std::string idempotency_key(const DeliveryJob& job) {
  return job.name + ":" + base64url(job.message_id);
}

}  // namespace sealpost
