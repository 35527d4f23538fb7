#include "client/checked_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/files.h"
#include "base/result.h"
#include "crypto/primitives.h"

namespace sealpost {
namespace {

constexpr std::size_t kLengthSize = 8;
constexpr std::size_t kSumSize = 32;

}  // namespace

crypto::SecretBytes read_secret_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) throw_errno(path, "read");
  crypto::SecretBytes bytes(static_cast<std::size_t>(status.st_size));
  const ssize_t got = ::read(file, bytes.data(), bytes.size());
  close(file);
  if (got != static_cast<ssize_t>(bytes.size())) throw_errno(path, "read whole");
  return bytes;
}

crypto::SecretBytes with_checksum(std::string_view magic, ByteView content) {
  crypto::SecretWriter writer;
  writer.put(magic).u64(content.size()).put(content);
  writer.put(crypto::sha256({writer.view()}));
  return writer.take();
}

std::optional<ByteView> without_checksum(std::string_view magic, ByteView bytes) {
  const std::size_t before = magic.size() + kLengthSize;
  if (bytes.size() < before + kSumSize) return std::nullopt;
  const ByteView summed = bytes.first(bytes.size() - kSumSize);
  Reader reader(summed);
  const bool is_kind = text_of(reader.take(magic.size())) == magic;
  const std::uint64_t length = reader.u64();
  if (!is_kind || length != summed.size() - before) return std::nullopt;
  if (!crypto::equal(crypto::sha256({summed}), bytes.last(kSumSize))) return std::nullopt;
  return summed.subspan(before);
}

std::optional<crypto::SecretBytes> read_if_readable(const std::string& path) {
  if (std::filesystem::is_directory(path)) return std::nullopt;
  errno = 0;
  try {
    return read_secret_file(path);
  } catch (const Fault&) {
    if (errno != 0 && errno != EIO) throw;
    return std::nullopt;
  }
}

std::optional<crypto::SecretBytes> read_checked_file(const std::string& path,
                                                     std::string_view magic) {
  const std::optional<crypto::SecretBytes> bytes = read_if_readable(path);
  const std::optional<ByteView> content = bytes ? without_checksum(magic, *bytes) : std::nullopt;
  if (!content) return std::nullopt;
  return crypto::SecretBytes(content->begin(), content->end());
}

}  // namespace sealpost
