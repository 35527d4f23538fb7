#include "base/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/result.h"

namespace sealpost {

void forbid_core_dumps() {
  rlimit limit{};
  const bool known = getrlimit(RLIMIT_CORE, &limit) == 0;
  limit.rlim_cur = 0;
  // If cores are piped into a program, the limit has no effect, but PR_SET_DUMPABLE has.
  if (!known || setrlimit(RLIMIT_CORE, &limit) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0) {
    throw Fault("cannot turn off core dumps, which would contain keys");
  }
}

}  // namespace sealpost
