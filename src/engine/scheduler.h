// Who runs in the next step, with how many tokens, and on which pages.
//
// Running sequences go first, decoding ones before chunks of prompts, oldest first. When pages run
// out, the youngest sequence gives its pages back and is computed again later; since a sequence's
// result does not depend on how it was cut into steps, nobody sees a difference.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "engine/page_pool.h"
#include "engine/sequence.h"

namespace rw {

struct SchedulerLimits {
  int64_t max_batch_tokens;
  int64_t max_sequences;
};

struct Scheduled {
  Sequence* sequence;
  int64_t tokens;  // how many of its pending tokens run in this step
};

class Scheduler {
 public:
  Scheduler(SchedulerLimits limits, int64_t pages) : limits_(limits), pool_(pages) {}

  // The sequence must fit the pool by itself: PagesFor(limit) <= pool().total().
  void Add(std::unique_ptr<Sequence> sequence) { waiting_.push_back(std::move(sequence)); }

  // Chooses the next step's work and gives each chosen sequence the pages it needs.
  // Empty only if there is nothing to do.
  std::vector<Scheduled> Next();

  // Takes the sequence out, wherever it is, and frees its pages. nullptr if it is not here.
  std::unique_ptr<Sequence> Remove(SequenceId id);

  bool idle() const { return running_.empty() && waiting_.empty(); }
  const PagePool& pool() const { return pool_; }
  int64_t preemptions() const { return preemptions_; }

 private:
  bool Schedule(Sequence& sequence, int64_t& budget, std::vector<Scheduled>& chosen);
  bool GrowTo(Sequence& sequence, int64_t tokens);
  void PreemptYoungest();
  void Release(Sequence& sequence);

  SchedulerLimits limits_;
  PagePool pool_;
  std::vector<std::unique_ptr<Sequence>> running_;  // oldest first
  std::deque<std::unique_ptr<Sequence>> waiting_;
  int64_t preemptions_ = 0;
};

}  // namespace rw
