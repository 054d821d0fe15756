// Byte-pair merges: which neighbouring symbols become one, and in which order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "model/tokenizer/flat_map.h"
#include "model/tokenizer/merge_queue.h"
#include "model/tokenizer/vocab.h"

namespace rw::tok {

struct Merge {
  uint32_t rank = 0;  // smaller ones go first
  int32_t id = -1;    // what the pair becomes
};

class MergeTable {
 public:
  // A later merge of the same pair takes the place of the earlier one.
  void Add(int32_t left, int32_t right, Merge merge) {
    merges_[Key(left, right)] = merge;
    ranks_ = std::max(ranks_, merge.rank + 1);
  }
  const Merge* Find(int32_t left, int32_t right) const { return merges_.Find(Key(left, right)); }
  uint32_t ranks() const { return ranks_; }  // largest rank + 1

  // Which characters merges bring together: the last one of a left token and the first one of a
  // right token. Where two characters are not joined, no merge reaches across.
  void AddJoint(char32_t left, char32_t right) { joints_[JointKey(left, right)] = true; }
  bool Joined(char32_t left, char32_t right) const {
    return joints_.Find(JointKey(left, right)) != nullptr;
  }

 private:
  static uint64_t Key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  static uint64_t JointKey(char32_t left, char32_t right) {
    return uint64_t{left} << 32 | uint64_t{right};
  }

  FlatMap<Merge> merges_;
  FlatMap<bool> joints_;
  uint32_t ranks_ = 0;
};

// Applies merges to a row of symbols until none applies: of all possible ones always that of the
// smallest rank, of those the leftmost. O(n log n).
class Merger {
 public:
  // `banned` ids are never made. Both must outlive the merger.
  Merger(const MergeTable& merges, const IdSet& banned) : merges_(&merges), banned_(&banned) {}

  void Clear() { symbols_.clear(); }
  void Add(int32_t id);
  // Merges what was added and appends the ids that are left.
  void Run(std::vector<int32_t>& ids);

 private:
  static constexpr uint32_t kEnd = ~uint32_t{0};
  struct Symbol {
    int32_t id;  // -1: merged into the one before
    uint32_t previous;
    uint32_t next;
  };

  const Merge* Wanted(uint32_t position) const;
  template <class Queue>
  void Push(uint32_t position, Queue& queue) const;
  template <class Queue>
  void MergeAll(Queue& queue);

  const MergeTable* merges_;
  const IdSet* banned_;
  std::vector<Symbol> symbols_;
  HeapQueue heap_;
  std::optional<SweepQueue> sweep_;  // made for the first long row
};

}  // namespace rw::tok
