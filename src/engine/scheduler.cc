#include "engine/scheduler.h"

#include <algorithm>

#include "base/check.h"
#include "kv/kv_cache.h"

namespace rw {

std::vector<Scheduled> Scheduler::Next() {
  std::vector<Scheduled> chosen;
  int64_t budget = limits_.max_batch_tokens;
  const int64_t preemptions_before = preemptions_;
  for (const bool decoding : {true, false}) {
    // A preemption takes sequences off the end of running_ while this walks it.
    for (size_t i = 0; i < running_.size() && budget > 0; ++i) {
      Sequence& sequence = *running_[i];
      if ((sequence.pending() == 1) != decoding) continue;
      while (!Schedule(sequence, budget, chosen)) {
        Sequence* youngest = running_.back().get();
        // One that already has its place in this step keeps it; the hungry one waits.
        const bool placed = std::any_of(chosen.begin(), chosen.end(),
                                        [&](const Scheduled& s) { return s.sequence == youngest; });
        if (placed) break;
        PreemptYoungest();
        if (youngest == &sequence) break;
      }
    }
  }
  // Pages just taken from a sequence are not given back to it at once.
  const bool short_of_pages = preemptions_ != preemptions_before;
  while (!short_of_pages && !waiting_.empty() && budget > 0 &&
         static_cast<int64_t>(running_.size()) < limits_.max_sequences) {
    if (!Schedule(*waiting_.front(), budget, chosen)) break;
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  RW_CHECK(!chosen.empty() || idle(), "nothing could be scheduled");
  return chosen;
}

// Gives the sequence its tokens of this step; false if there are no pages for them.
bool Scheduler::Schedule(Sequence& sequence, int64_t& budget, std::vector<Scheduled>& chosen) {
  const int64_t tokens = std::min(sequence.pending(), budget);
  if (!GrowTo(sequence, sequence.computed + tokens)) return false;
  budget -= tokens;
  chosen.push_back({&sequence, tokens});
  return true;
}

bool Scheduler::GrowTo(Sequence& sequence, int64_t tokens) {
  const int64_t needed =
      (tokens + kPageSize - 1) / kPageSize - static_cast<int64_t>(sequence.pages.size());
  if (needed > pool_.free()) return false;
  for (int64_t i = 0; i < needed; ++i) sequence.pages.push_back(*pool_.Take());
  return true;
}

void Scheduler::PreemptYoungest() {
  std::unique_ptr<Sequence> youngest = std::move(running_.back());
  running_.pop_back();
  Release(*youngest);
  waiting_.push_front(std::move(youngest));
  ++preemptions_;
}

void Scheduler::Release(Sequence& sequence) {
  for (const int32_t page : sequence.pages) pool_.Give(page);
  sequence.pages.clear();
  sequence.computed = 0;
}

std::unique_ptr<Sequence> Scheduler::Remove(SequenceId id) {
  const auto take = [&](auto& list) -> std::unique_ptr<Sequence> {
    const auto it =
        std::find_if(list.begin(), list.end(), [&](const auto& s) { return s->id == id; });
    if (it == list.end()) return nullptr;
    std::unique_ptr<Sequence> sequence = std::move(*it);
    list.erase(it);
    return sequence;
  };
  std::unique_ptr<Sequence> sequence = take(running_);
  if (sequence == nullptr) sequence = take(waiting_);
  if (sequence != nullptr) Release(*sequence);
  return sequence;
}

}  // namespace rw
