#include "crash/fault_vfs.h"

#include <dlfcn.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <new>

#include "support/temp.h"

namespace sealpost::test {
namespace {

using Node = FaultyDisk::Node;

constexpr std::size_t kSector = 512;

FaultyDisk disk;
sqlite3_vfs* below = nullptr;

void apply(std::string& bytes, const Node::Change& change) {
  if (change.truncates) {
    bytes.resize(change.at);
  } else {
    bytes.resize(std::max(bytes.size(), change.at + change.bytes.size()));
    bytes.replace(change.at, change.bytes.size(), change.bytes);
  }
}

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
  if (disk.meet(Call::kRead)) return SQLITE_IOERR_READ;
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
  const auto harm = disk.meet(Call::kWrite);
  if (!harm) return write_really(of(file), from, size, at);
  if (harm == Harm::kTear || harm == Harm::kTearStop) {
    (void)write_really(of(file), from, size / 2, at);
  }
  return harm == Harm::kFull ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (disk.meet(Call::kTruncate)) return SQLITE_IOERR_TRUNCATE;
  File& self = of(file);
  const int result = self.calls().xTruncate(self.real(), size);
  if (result == SQLITE_OK && self.node) {
    self.node->unsynced.push_back({static_cast<std::size_t>(size), "", true});
  }
  return result;
}

int sync(sqlite3_file* file, int) {
  File& self = of(file);
  if (const auto harm = disk.meet(Call::kSync)) {
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
  if (const auto harm = disk.meet(Call::kLock)) {
    return harm == Harm::kBusy ? SQLITE_BUSY : SQLITE_IOERR_LOCK;
  }
  return of(file).calls().xLock(of(file).real(), level);
}

int unlock(sqlite3_file* file, int level) {
  return of(file).calls().xUnlock(of(file).real(), level);
}

int check_reserved_lock(sqlite3_file* file, int* result) {
  if (disk.meet(Call::kLock)) return SQLITE_IOERR_CHECKRESERVEDLOCK;
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
  if (disk.meet(Call::kOpen)) return SQLITE_IOERR_SHMMAP;
  return of(file).calls().xShmMap(of(file).real(), region, size, extend, at);
}

int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  if ((flags & SQLITE_SHM_LOCK) != 0) {
    if (const auto harm = disk.meet(Call::kLock)) {
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
  if (disk.meet(Call::kOpen)) return SQLITE_CANTOPEN;
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
  if (disk.meet(Call::kDelete)) return SQLITE_IOERR_DELETE;
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

const char* name_of(Call call) {
  constexpr const char* kNames[] = {"write", "sync", "open", "truncate", "delete", "lock", "read"};
  return kNames[static_cast<int>(call)];
}

const char* name_of(Harm harm) {
  constexpr const char* kNames[] = {
      "fails",         "finds no room",        "is busy", "is torn and fails", "fails for good",
      "is never made", "is torn, and the last"};
  return kNames[static_cast<int>(harm)];
}

const char* name_of(Loss loss) {
  constexpr const char* kNames[] = {"the process ends", "the power goes",
                                    "the power goes at random"};
  return kNames[static_cast<int>(loss)];
}

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

void FaultyDisk::watch(const std::string& database) {
  database_ = database;
  names_.clear();
  plan({});
  off_ = false;
  for (const std::string& path : files()) {
    names_[path] = std::make_shared<Node>(Node{read_text(path), {}});
  }
  platter_ = names_;
}

void FaultyDisk::plan(const std::optional<Plan>& plan) {
  plan_ = plan;
  met_ = 0;
  struck_ = false;
}

std::optional<Harm> FaultyDisk::meet(Call call) {
  if (off_) return Harm::kFail;
  if (!plan_ || plan_->call != call || ++met_ != plan_->at) return {};
  struck_ = true;
  off_ = plan_->harm == Harm::kStop || plan_->harm == Harm::kTearStop;
  return plan_->harm;
}

std::shared_ptr<Node> FaultyDisk::opened(const std::string& path, bool made) {
  if (database_.empty() || !path.starts_with(database_)) return nullptr;
  std::shared_ptr<Node>& node = names_[path];
  if (made || !node) node = std::make_shared<Node>();
  return node;
}

void FaultyDisk::deleted(const std::string& path) { names_.erase(path); }

void FaultyDisk::synced(Node& node) {
  for (const Node::Change& change : node.unsynced) {
    if (!change.forgotten) apply(node.synced, change);
  }
  node.unsynced.clear();
}

// The files of the database, but for its shared memory, which is no file's.
std::vector<std::string> FaultyDisk::files() const {
  std::vector<std::string> found;
  if (database_.empty()) return found;
  const auto folder = std::filesystem::path(database_).parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path();
    if (path.starts_with(database_) && !path.ends_with("-shm")) found.push_back(path);
  }
  return found;
}

FaultyDisk::Names FaultyDisk::left_names(Loss loss, std::mt19937& dice) const {
  Names left = platter_;
  if (loss == Loss::kUnsynced) return left;
  for (const Names* some : {&names_, &platter_}) {
    for (const auto& [path, node] : *some) {
      if (dice() % 2 == 0) continue;
      left.erase(path);
      if (const auto now = names_.find(path); now != names_.end()) left[path] = now->second;
    }
  }
  return left;
}

std::string FaultyDisk::left_of(const Node& node, Loss loss, std::mt19937& dice) {
  std::string left = node.synced;
  if (loss == Loss::kUnsynced) return left;
  for (const Node::Change& change : node.unsynced) {
    if (change.truncates && dice() % 2 == 0) apply(left, change);
    for (std::size_t done = 0; done < change.bytes.size();) {
      const std::size_t at = change.at + done;
      const std::size_t size = std::min(change.bytes.size() - done, kSector - at % kSector);
      if (dice() % 2 == 0) apply(left, {at, change.bytes.substr(done, size), false});
      done += size;
    }
  }
  return left;
}

void FaultyDisk::come_back(Loss loss, unsigned seed) {
  off_ = false;
  if (loss == Loss::kNothing) return;
  std::mt19937 dice(seed);
  Names left = left_names(loss, dice);
  for (const std::string& path : files()) {
    if (!left.contains(path)) std::filesystem::remove(path);
  }
  std::filesystem::remove(database_ + "-shm");
  for (auto& [path, node] : left) {
    *node = Node{left_of(*node, loss, dice), {}};
    write_text(path, node->synced);
  }
  names_ = left;
  platter_ = left;
}

// --- A network's disk ---

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
