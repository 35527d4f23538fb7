// What a program that holds keys does first.
#pragma once

namespace sealpost {

// No core of this process is ever written, to a file or into a program that collects them, and
// nobody but root attaches to it or reads its memory.  A program that it starts may be dumped
// again, if it raises the limit that it inherits.  Throws Fault if the kernel refuses.
void forbid_core_dumps();

}  // namespace sealpost
