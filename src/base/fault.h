// What happens when a mapped file is cut short, or its disk fails, while it is in use.
#pragma once

namespace rw {

// Mapped pages that are no longer behind a file answer a read with SIGBUS. From here on that ends
// the process with exit code 2 and one line on stderr that names the file, instead of a signal
// death. There is no going on: what was to be read is gone, and the read may be anywhere in a
// kernel. Call once at the start of a program that maps model files. Any other cause of SIGBUS (a
// misaligned access would be our bug) still ends in the signal.
//
// Looking first does not help: a file can shrink between the check and the read. Replacing a file
// by renaming another over it is safe: the mapping keeps the old one.
void InstallMappedFileFaultHandler();

}  // namespace rw
