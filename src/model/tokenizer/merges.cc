#include "model/tokenizer/merges.h"

namespace rw::tok {
namespace {

constexpr size_t kMostForHeap = 512;  // symbols

}  // namespace

void Merger::Add(int32_t id) {
  const auto position = static_cast<uint32_t>(symbols_.size());
  if (position > 0) symbols_.back().next = position;
  symbols_.push_back({id, position - 1, kEnd});  // 0 - 1 is kEnd
}

// The merge of the symbol at `position` with the next one, if there is one.
const Merge* Merger::Wanted(uint32_t position) const {
  const Symbol& left = symbols_[position];
  if (left.next == kEnd) return nullptr;
  const Merge* merge = merges_->Find(left.id, symbols_[left.next].id);
  if (merge == nullptr || (!banned_->empty() && (*banned_)[merge->id])) return nullptr;
  return merge;
}

template <class Queue>
void Merger::Push(uint32_t position, Queue& queue) const {
  if (const Merge* merge = Wanted(position)) queue.Push({merge->rank, position});
}

template <class Queue>
void Merger::MergeAll(Queue& queue) {
  for (uint32_t i = 0; i < symbols_.size(); ++i) Push(i, queue);
  while (!queue.empty()) {
    const QueuedMerge top = queue.Pop();
    Symbol& left = symbols_[top.position];
    if (left.id < 0) continue;
    // The pair may have changed since; then another entry stands for the new one.
    const Merge* merge = Wanted(top.position);
    if (merge == nullptr || merge->rank != top.rank) continue;
    Symbol& right = symbols_[left.next];
    left.id = merge->id;
    left.next = right.next;
    right.id = -1;
    if (left.next != kEnd) symbols_[left.next].previous = top.position;
    if (left.previous != kEnd) Push(left.previous, queue);
    Push(top.position, queue);
  }
}

void Merger::Run(std::vector<int32_t>& ids) {
  if (symbols_.size() <= kMostForHeap) {
    MergeAll(heap_);
  } else {
    if (!sweep_) sweep_.emplace(merges_->ranks());
    MergeAll(*sweep_);
  }
  for (const Symbol& symbol : symbols_) {
    if (symbol.id >= 0) ids.push_back(symbol.id);
  }
}

}  // namespace rw::tok
