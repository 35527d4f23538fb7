// Files and folders that other users cannot read.  A crash during a write leaves the old file or
// the new one, whole.
#pragma once

#include <string>

#include "base/bytes.h"

namespace sealpost {

// All functions but remove_unfinished() throw Fault with the path and the system's error message.

// Creates a folder with mode 0700.  Leaves an existing one as it is.
void make_private_folder(const std::string& path);

// Writes a file with mode 0600, and syncs it to disk before it replaces the file at `path`.  Until
// then its name is .NAME.PROCESS.  On an error the unfinished file is deleted.
void write_private_file(const std::string& path, ByteView bytes);

// Deletes the unfinished files in a folder whose processes were killed.  Ignores errors.
void remove_unfinished(const std::string& folder);

// Renames a file within a folder, and syncs the folder to disk.
void rename_durably(const std::string& from, const std::string& to);

// Throws Fault("PATH cannot be WHAT: No such file or directory") with the text of errno.
[[noreturn]] void throw_errno(const std::string& path, const char* what);

}  // namespace sealpost
