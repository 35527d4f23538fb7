#include "base/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/result.h"

namespace sealpost {

void forbid_core_dumps() {
  rlimit limit{};
  const bool known = getrlimit(RLIMIT_CORE, &limit) == 0;
  limit.rlim_cur = 0;
  // The limit does not hold where cores are piped into a program; not being dumpable does.
  if (!known || setrlimit(RLIMIT_CORE, &limit) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0) {
    throw Fault("core dumps, which would have keys in them, cannot be turned off");
  }
}

}  // namespace sealpost
