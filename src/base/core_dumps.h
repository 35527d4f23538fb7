// Protects the memory of a process that holds keys.
#pragma once

namespace sealpost {

// Turns off core dumps of this process, to files and to programs that collect them.  From then on
// only root can attach to the process or read its memory.  A program that it starts can be dumped
// again if that program raises the limit that it inherits.  Throws Fault if the kernel rejects the
// change.
void forbid_core_dumps();

}  // namespace sealpost
