// Which pages of the KV cache are free.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace rw {

// Hands out the lowest free page, so that the memory in use stays dense.
class PagePool {
 public:
  explicit PagePool(int64_t pages);

  int64_t total() const { return total_; }
  int64_t free() const { return static_cast<int64_t>(heap_.size()); }

  std::optional<int32_t> Take();
  void Give(int32_t page);

  // The free pages in order. After everything taken was given back it is 0 .. total-1 again.
  std::vector<int32_t> FreePages() const;

 private:
  int64_t total_;
  std::vector<int32_t> heap_;  // smallest on top
  std::vector<bool> taken_;    // a page given twice is a bug that would corrupt two sequences
};

}  // namespace rw
