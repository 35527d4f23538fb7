// The frame of a file that a client keeps: what the file is, its length and a checksum.  A file
// that was cut, emptied, zeroed or changed by one bit does not pass.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace sealpost {

// Reads a file whose bytes are secret.  Throws Fault if it cannot be read.
[[nodiscard]] crypto::SecretBytes read_secret_file(const std::string& path);

// Returns nothing if the disk cannot read the file.  Throws Fault if there is no such file or this
// process may not read it.
[[nodiscard]] std::optional<crypto::SecretBytes> read_if_readable(const std::string& path);

// Returns the file's bytes: a magic line, the length of the content, the content, and the SHA-256
// of all three.
[[nodiscard]] crypto::SecretBytes with_checksum(std::string_view magic, ByteView content);

// Returns the content.  It is a part of `bytes`.  Returns nothing if with_checksum() did not make
// the bytes.
[[nodiscard]] std::optional<ByteView> without_checksum(std::string_view magic, ByteView bytes);

// Reads a file and returns its content.  Returns nothing if the file is damaged too.
[[nodiscard]] std::optional<crypto::SecretBytes> read_checked_file(const std::string& path,
                                                                   std::string_view magic);

}  // namespace sealpost
