#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "kv/kv_cache.h"

namespace rw {
namespace {

std::unique_ptr<Sequence> MakeSequence(SequenceId id, int64_t prompt, int64_t limit) {
  std::vector<int32_t> tokens(static_cast<size_t>(prompt), 1);
  Sampler sampler(SamplingParams{.seed = 1}, tokens);
  return std::make_unique<Sequence>(Sequence{.id = id,
                                             .tokens = std::move(tokens),
                                             .prompt_size = prompt,
                                             .limit = limit,
                                             .sampler = std::move(sampler)});
}

// What a step of the engine does to the sequences. Returns those that reached their limit.
std::vector<SequenceId> Advance(const std::vector<Scheduled>& scheduled) {
  std::vector<SequenceId> done;
  for (const auto& [sequence, tokens] : scheduled) {
    sequence->computed += tokens;
    if (sequence->pending() > 0) continue;
    sequence->tokens.push_back(1);
    if (sequence->size() >= sequence->limit) done.push_back(sequence->id);
  }
  return done;
}

TEST(Scheduler, DecodingGoesBeforeChunksOfPrompts) {
  Scheduler scheduler({.max_batch_tokens = 8, .max_sequences = 4}, 100);
  scheduler.Add(MakeSequence(0, 3, 50));
  Advance(scheduler.Next());
  scheduler.Add(MakeSequence(1, 30, 50));
  const auto step = scheduler.Next();
  ASSERT_EQ(step.size(), 2u);
  EXPECT_EQ(step[0].sequence->id, 0);
  EXPECT_EQ(step[0].tokens, 1);
  EXPECT_EQ(step[1].sequence->id, 1);
  EXPECT_EQ(step[1].tokens, 7);
}

TEST(Scheduler, ThePreemptedOneIsTheYoungest) {
  // Two sequences of three pages each share four pages.
  Scheduler scheduler({.max_batch_tokens = 64, .max_sequences = 4}, 4);
  scheduler.Add(MakeSequence(0, 2 * kPageSize, 3 * kPageSize));
  scheduler.Add(MakeSequence(1, 2 * kPageSize, 3 * kPageSize));
  std::vector<SequenceId> order;
  while (!scheduler.idle()) {
    for (const SequenceId id : Advance(scheduler.Next())) {
      order.push_back(id);
      scheduler.Remove(id);
    }
  }
  EXPECT_EQ(order, (std::vector<SequenceId>{0, 1}));
  EXPECT_EQ(scheduler.preemptions(), 1);
}

// Ten thousand requests of random sizes come, grow, are cancelled or finish.
TEST(Scheduler, TenThousandRandomRequestsLeaveThePoolAsItWas) {
  constexpr int64_t kPages = 40;
  Scheduler scheduler({.max_batch_tokens = 48, .max_sequences = 7}, kPages);
  const std::vector<int32_t> at_start = scheduler.pool().FreePages();
  std::mt19937 random(7);
  std::set<SequenceId> live;
  SequenceId next = 0;
  while (next < 10000 || !scheduler.idle()) {
    while (next < 10000 && live.size() < 12) {
      const auto prompt = static_cast<int64_t>(1 + random() % 200);
      const int64_t limit = std::min<int64_t>(prompt + 1 + random() % 60, kPages * kPageSize);
      scheduler.Add(MakeSequence(next, prompt, limit));
      live.insert(next++);
    }
    const auto scheduled = scheduler.Next();
    std::set<int32_t> used;
    for (const auto& [sequence, tokens] : scheduled) {
      ASSERT_GE(tokens, 1);
      ASSERT_LE((sequence->computed + tokens + kPageSize - 1) / kPageSize,
                static_cast<int64_t>(sequence->pages.size()));
      for (const int32_t page : sequence->pages) ASSERT_TRUE(used.insert(page).second);
    }
    for (const SequenceId id : Advance(scheduled)) {
      ASSERT_NE(scheduler.Remove(id), nullptr);
      live.erase(id);
    }
    if (random() % 8 == 0 && !live.empty()) {
      const SequenceId victim = *std::next(live.begin(), random() % live.size());
      ASSERT_NE(scheduler.Remove(victim), nullptr);
      live.erase(victim);
    }
  }
  EXPECT_GT(scheduler.preemptions(), 100);
  EXPECT_EQ(scheduler.pool().FreePages(), at_start);
}

}  // namespace
}  // namespace rw
