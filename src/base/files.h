// Files and folders that are nobody else's business, written so that a crash leaves the old or the
// new one.
#pragma once

#include <string>

#include "base/bytes.h"

namespace sealpost {

// All of these but one throw Fault, with the path and what the system said.

// Makes a folder, 0700; one that is there stays as it is.
void make_private_folder(const std::string& path);

// Puts a file in its place whole and on disk, 0600, instead of one that may be there.  Until then
// it is called .NAME.PROCESS; where it cannot be finished nothing stays.
void write_private_file(const std::string& path, ByteView bytes);

// Deletes what processes that were killed have left unfinished in a folder.  What cannot be deleted
// stays: no Fault.
void sweep_unfinished(const std::string& folder);

// Renames within a folder; on disk when it returns.
void rename_durably(const std::string& from, const std::string& to);

// What a failed call says: "PATH cannot be WHAT: No such file or directory".
[[noreturn]] void throw_errno(const std::string& path, const char* what);

}  // namespace sealpost
