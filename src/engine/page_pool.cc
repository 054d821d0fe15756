#include "engine/page_pool.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/check.h"

namespace rw {

PagePool::PagePool(int64_t pages) : total_(pages), taken_(static_cast<size_t>(pages)) {
  heap_.resize(static_cast<size_t>(pages));
  std::iota(heap_.begin(), heap_.end(), 0);  // sorted is a heap already
}

std::optional<int32_t> PagePool::Take() {
  if (heap_.empty()) return std::nullopt;
  std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
  const int32_t page = heap_.back();
  heap_.pop_back();
  taken_[static_cast<size_t>(page)] = true;
  return page;
}

void PagePool::Give(int32_t page) {
  RW_CHECK(page >= 0 && page < total_ && taken_[static_cast<size_t>(page)], "page {}", page);
  taken_[static_cast<size_t>(page)] = false;
  heap_.push_back(page);
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

std::vector<int32_t> PagePool::FreePages() const {
  std::vector<int32_t> pages = heap_;
  std::sort(pages.begin(), pages.end());
  return pages;
}

}  // namespace rw
