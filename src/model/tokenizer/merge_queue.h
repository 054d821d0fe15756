// Queues of possible merges: the smallest rank first, of one rank the leftmost position first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rw::tok {

struct QueuedMerge {
  uint32_t rank;
  uint32_t position;
};

// A binary heap: for words.
class HeapQueue {
 public:
  bool empty() const { return heap_.empty(); }
  void Push(QueuedMerge merge);
  QueuedMerge Pop();

 private:
  std::vector<uint64_t> heap_;  // rank << 32 | position
};

// A row of positions for each rank: for pieces of millions of symbols, where a heap's steps would
// each miss the cache. Merging sweeps over the text from left to right, rank by rank, so that
// nearly all positions come in order and cost O(1); the others go to a heap.
class SweepQueue {
 public:
  // `ranks`: one more than the largest rank.
  explicit SweepQueue(uint32_t ranks) : row_of_(ranks, kNoRow) {}

  bool empty() const { return active_.empty(); }
  void Push(QueuedMerge merge);
  QueuedMerge Pop();

 private:
  static constexpr uint32_t kNoRow = ~uint32_t{0};
  struct Row {
    std::vector<uint32_t> in_order;
    size_t taken = 0;                  // of in_order
    std::vector<uint32_t> stragglers;  // a heap, smallest on top
    bool empty() const { return taken == in_order.size() && stragglers.empty(); }
    uint32_t Pop();
  };

  std::vector<uint32_t> row_of_;  // by rank: place in rows_
  std::vector<Row> rows_;
  std::vector<uint32_t> free_rows_;
  std::vector<uint32_t> active_;  // ranks that have a row; a heap, smallest on top
};

}  // namespace rw::tok
