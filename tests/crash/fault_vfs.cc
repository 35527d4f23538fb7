#include "crash/fault_vfs.h"

#include <unistd.h>

#include <new>

namespace sealpost::test {
namespace {

using Node = FaultyDisk::Node;

FaultyDisk disk;
sqlite3_vfs* below = nullptr;

// --- A file ---

// The file of the VFS below lies behind it.
struct File {
  sqlite3_file base;
  std::shared_ptr<Node> node;
  bool syncs_folder;

  [[nodiscard]] sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  [[nodiscard]] const sqlite3_io_methods& calls() { return *real()->pMethods; }
};

File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }

int close_file(sqlite3_file* file) {
  File& self = of(file);
  const int result = self.calls().xClose(self.real());
  self.node.~shared_ptr();
  return result;
}

int read(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  if (disk.next_fault(Call::kRead)) return SQLITE_IOERR_READ;
  return of(file).calls().xRead(of(file).real(), to, size, at);
}

int write_really(File& self, const void* from, int size, sqlite3_int64 at) {
  const int result = self.calls().xWrite(self.real(), from, size, at);
  if (result == SQLITE_OK && self.node) {
    const auto* bytes = static_cast<const char*>(from);
    self.node->unsynced.push_back(
        {static_cast<std::size_t>(at), {bytes, static_cast<std::size_t>(size)}, false});
  }
  return result;
}

int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  const auto harm = disk.next_fault(Call::kWrite);
  if (!harm) return write_really(of(file), from, size, at);
  if (harm == Harm::kTear || harm == Harm::kTearStop) {
    (void)write_really(of(file), from, size / 2, at);
  }
  return harm == Harm::kFull ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (disk.next_fault(Call::kTruncate)) return SQLITE_IOERR_TRUNCATE;
  File& self = of(file);
  const int result = self.calls().xTruncate(self.real(), size);
  if (result == SQLITE_OK && self.node) {
    self.node->unsynced.push_back({static_cast<std::size_t>(size), "", true});
  }
  return result;
}

int sync(sqlite3_file* file, int) {
  File& self = of(file);
  if (const auto harm = disk.next_fault(Call::kSync)) {
    if (harm == Harm::kForget && self.node) {
      for (Node::Change& change : self.node->unsynced) change.forgotten = !change.truncates;
    }
    return SQLITE_IOERR_FSYNC;
  }
  if (!self.node) return SQLITE_OK;
  FaultyDisk::synced(*self.node);
  if (self.syncs_folder) disk.synced_folder();
  self.syncs_folder = false;
  return SQLITE_OK;
}

int size_of(sqlite3_file* file, sqlite3_int64* size) {
  return of(file).calls().xFileSize(of(file).real(), size);
}

int lock(sqlite3_file* file, int level) {
  if (const auto harm = disk.next_fault(Call::kLock)) {
    return harm == Harm::kBusy ? SQLITE_BUSY : SQLITE_IOERR_LOCK;
  }
  return of(file).calls().xLock(of(file).real(), level);
}

int unlock(sqlite3_file* file, int level) {
  return of(file).calls().xUnlock(of(file).real(), level);
}

int check_reserved_lock(sqlite3_file* file, int* result) {
  if (disk.next_fault(Call::kLock)) return SQLITE_IOERR_CHECKRESERVEDLOCK;
  return of(file).calls().xCheckReservedLock(of(file).real(), result);
}

int file_control(sqlite3_file* file, int what, void* value) {
  return of(file).calls().xFileControl(of(file).real(), what, value);
}

int sector_size(sqlite3_file* file) { return of(file).calls().xSectorSize(of(file).real()); }

int characteristics(sqlite3_file* file) {
  return of(file).calls().xDeviceCharacteristics(of(file).real());
}

int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** at) {
  if (disk.next_fault(Call::kOpen)) return SQLITE_IOERR_SHMMAP;
  return of(file).calls().xShmMap(of(file).real(), region, size, extend, at);
}

int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  if ((flags & SQLITE_SHM_LOCK) != 0) {
    if (const auto harm = disk.next_fault(Call::kLock)) {
      return harm == Harm::kBusy ? SQLITE_BUSY : SQLITE_IOERR_SHMLOCK;
    }
  }
  return of(file).calls().xShmLock(of(file).real(), offset, count, flags);
}

void shm_barrier(sqlite3_file* file) { of(file).calls().xShmBarrier(of(file).real()); }

int shm_unmap(sqlite3_file* file, int remove) {
  return of(file).calls().xShmUnmap(of(file).real(), remove);
}

// Version 2: no file is mapped but the shared memory.
const sqlite3_io_methods kMethods = {2,
                                     close_file,
                                     read,
                                     write,
                                     truncate,
                                     sync,
                                     size_of,
                                     lock,
                                     unlock,
                                     check_reserved_lock,
                                     file_control,
                                     sector_size,
                                     characteristics,
                                     shm_map,
                                     shm_lock,
                                     shm_barrier,
                                     shm_unmap,
                                     nullptr,
                                     nullptr};

// --- The VFS ---

int open_file(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  if (disk.next_fault(Call::kOpen)) return SQLITE_CANTOPEN;
  const bool was_there = path != nullptr && access(path, F_OK) == 0;
  File& self = of(file);
  const int result = below->xOpen(below, path, self.real(), flags, out_flags);
  if (self.real()->pMethods == nullptr) return result;
  new (&self.node) std::shared_ptr<Node>;
  if (path != nullptr && result == SQLITE_OK) self.node = disk.opened(path, !was_there);
  constexpr int kJournals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
  self.syncs_folder = (flags & SQLITE_OPEN_CREATE) != 0 && (flags & kJournals) != 0;
  file->pMethods = &kMethods;
  return result;
}

int delete_file(sqlite3_vfs*, const char* path, int sync_folder) {
  if (disk.next_fault(Call::kDelete)) return SQLITE_IOERR_DELETE;
  const int result = below->xDelete(below, path, 0);
  if (result == SQLITE_OK) disk.deleted(path);
  if (result == SQLITE_OK && (sync_folder & 1) != 0) disk.synced_folder();
  return result;
}

int access_file(sqlite3_vfs*, const char* path, int flags, int* result) {
  if (disk.is_off()) return SQLITE_IOERR_ACCESS;
  return below->xAccess(below, path, flags, result);
}

}  // namespace

FaultyDisk& FaultyDisk::install() {
  static sqlite3_vfs vfs = [] {
    below = sqlite3_vfs_find("unix");
    sqlite3_vfs ours = *below;
    ours.zName = "faulty";
    ours.szOsFile += static_cast<int>(sizeof(File));
    ours.xOpen = open_file;
    ours.xDelete = delete_file;
    ours.xAccess = access_file;
    return ours;
  }();
  sqlite3_vfs_register(&vfs, 1);
  return disk;
}

}  // namespace sealpost::test
