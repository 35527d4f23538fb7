// A file system that says it is another machine's.
#pragma once

namespace sealpost::test {

// While one lives, every file system says that it is NFS: the gateway keeps its database as there.
class NetworkDisk {
 public:
  NetworkDisk();
  ~NetworkDisk();
  NetworkDisk(const NetworkDisk&) = delete;
  NetworkDisk& operator=(const NetworkDisk&) = delete;
};

}  // namespace sealpost::test
