#include "crash/network_disk.h"

#include <dlfcn.h>
#include <sys/vfs.h>

namespace sealpost::test {
namespace {
bool is_network = false;
}  // namespace

NetworkDisk::NetworkDisk() { is_network = true; }
NetworkDisk::~NetworkDisk() { is_network = false; }

}  // namespace sealpost::test

// Instead of the C library's, for all that is linked into this test.
extern "C" int statfs(const char* path, struct statfs* status) noexcept {
  using Real = int (*)(const char*, struct statfs*);
  static const Real real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "statfs"));
  const int result = real(path, status);
  if (result == 0 && sealpost::test::is_network) status->f_type = 0x6969;  // NFS
  return result;
}
