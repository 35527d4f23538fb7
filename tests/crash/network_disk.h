// A file system that reports itself as NFS.
#pragma once

namespace sealpost::test {

// While an object lives, every file system reports that it is NFS, so that the gateway uses a
// rollback journal.
class NetworkDisk {
 public:
  NetworkDisk();
  ~NetworkDisk();
  NetworkDisk(const NetworkDisk&) = delete;
  NetworkDisk& operator=(const NetworkDisk&) = delete;
};

}  // namespace sealpost::test
