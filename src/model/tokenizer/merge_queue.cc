#include "model/tokenizer/merge_queue.h"

#include <algorithm>
#include <functional>

namespace rw::tok {
namespace {

template <class T>
void PushSmallest(std::vector<T>& heap, T value) {
  heap.push_back(value);
  std::push_heap(heap.begin(), heap.end(), std::greater<>());
}

template <class T>
T PopSmallest(std::vector<T>& heap) {
  std::pop_heap(heap.begin(), heap.end(), std::greater<>());
  const T value = heap.back();
  heap.pop_back();
  return value;
}

}  // namespace

void HeapQueue::Push(QueuedMerge merge) {
  PushSmallest(heap_, uint64_t{merge.rank} << 32 | merge.position);
}

QueuedMerge HeapQueue::Pop() {
  const uint64_t top = PopSmallest(heap_);
  return {static_cast<uint32_t>(top >> 32), static_cast<uint32_t>(top)};
}

uint32_t SweepQueue::Row::Pop() {
  const bool straggler =
      !stragglers.empty() && (taken == in_order.size() || stragglers[0] < in_order[taken]);
  return straggler ? PopSmallest(stragglers) : in_order[taken++];
}

void SweepQueue::Push(QueuedMerge merge) {
  uint32_t& place = row_of_[merge.rank];
  if (place == kNoRow) {
    if (free_rows_.empty()) {
      place = static_cast<uint32_t>(rows_.size());
      rows_.emplace_back();
    } else {
      place = free_rows_.back();
      free_rows_.pop_back();
    }
    PushSmallest(active_, merge.rank);
  }
  Row& row = rows_[place];
  if (row.in_order.empty() || row.in_order.back() <= merge.position) {
    row.in_order.push_back(merge.position);
  } else {
    PushSmallest(row.stragglers, merge.position);
  }
}

QueuedMerge SweepQueue::Pop() {
  const uint32_t rank = active_[0];
  uint32_t& place = row_of_[rank];
  Row& row = rows_[place];
  const uint32_t position = row.Pop();
  if (row.empty()) {
    row = Row{};
    free_rows_.push_back(place);
    place = kNoRow;
    PopSmallest(active_);
  }
  return {rank, position};
}

}  // namespace rw::tok
