// Large blocks of memory that cost nothing until they are used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/status.h"

namespace rw {

// Zero-filled anonymous memory: address space at once, pages only as they are touched.
class LazyMemory {
 public:
  static Result<LazyMemory> Reserve(int64_t bytes, std::string_view purpose);
  LazyMemory() = default;
  LazyMemory(LazyMemory&& other) noexcept;
  LazyMemory& operator=(LazyMemory&& other) noexcept;
  ~LazyMemory();

  std::byte* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace rw
