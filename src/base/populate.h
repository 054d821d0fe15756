// Bringing a mapped file into memory.
#pragma once

#include <cstddef>
#include <span>

namespace rw {

// Has the bytes, which lie in a mapped file, read from disk if they are not in memory yet. 0, or
// the errno of what prevented it: EFAULT if the file became shorter since it was mapped.
int PopulatePages(std::span<const std::byte> bytes);

}  // namespace rw
