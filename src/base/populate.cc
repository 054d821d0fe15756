#include "base/populate.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace rw {

// POPULATE_READ (Linux 5.14) reports a file that has become too short as an error, where a plain
// read would be answered with SIGBUS.
int PopulatePages(std::span<const std::byte> bytes) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t before = reinterpret_cast<uintptr_t>(bytes.data()) % page;
  auto* begin = const_cast<std::byte*>(bytes.data()) - before;
  const size_t size = bytes.size() + before;
  ::madvise(begin, size, MADV_WILLNEED);  // asks the disk for all of it at once
  while (::madvise(begin, size, MADV_POPULATE_READ) != 0) {
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno != EINVAL) return errno;
    volatile std::byte sink{};  // an older kernel: touch each page
    for (size_t at = 0; at < size; at += page) sink = begin[at];
    static_cast<void>(sink);
    break;
  }
  return 0;
}

}  // namespace rw
