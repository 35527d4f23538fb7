// What a disk keeps and what it loses.  This file does not use SQLite.
#include <filesystem>

#include "crash/fault_vfs.h"
#include "support/temp_dir.h"

namespace sealpost::test {
namespace {

using Node = FaultyDisk::Node;

constexpr std::size_t kSector = 512;

void apply(std::string& bytes, const Node::Change& change) {
  if (change.truncates) {
    bytes.resize(change.at);
  } else {
    bytes.resize(std::max(bytes.size(), change.at + change.bytes.size()));
    bytes.replace(change.at, change.bytes.size(), change.bytes);
  }
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
  constexpr const char* kNames[] = {"the process ends", "the power fails",
                                    "the power fails at random"};
  return kNames[static_cast<int>(loss)];
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
  calls_seen_ = 0;
  faulted_ = false;
}

std::optional<Harm> FaultyDisk::next_fault(Call call) {
  if (off_) return Harm::kFail;
  if (!plan_ || plan_->call != call || ++calls_seen_ != plan_->at) return {};
  faulted_ = true;
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

void FaultyDisk::turn_on(Loss loss, unsigned seed) {
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

}  // namespace sealpost::test
