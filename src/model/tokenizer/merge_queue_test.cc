#include "model/tokenizer/merge_queue.h"

#include <gtest/gtest.h>

#include <random>

namespace rw::tok {
namespace {

// The two queues hold the same merges and must give them back in the same order, however pushes and
// pops are mixed: positions out of order, ranks smaller than the one just taken.
TEST(MergeQueue, BothKindsAgree) {
  constexpr uint32_t kRanks = 7;
  std::mt19937 random(1);
  const auto below = [&](uint32_t end) { return static_cast<uint32_t>(random() % end); };
  HeapQueue heap;
  SweepQueue sweep(kRanks);
  int popped = 0;
  for (int i = 0; i < 20000; ++i) {
    if (below(2) == 0 || heap.empty()) {
      const QueuedMerge merge{below(kRanks), below(1000)};
      heap.Push(merge);
      sweep.Push(merge);
    } else {
      const QueuedMerge a = heap.Pop(), b = sweep.Pop();
      ASSERT_EQ(a.rank, b.rank);
      ASSERT_EQ(a.position, b.position);
      ++popped;
    }
    ASSERT_EQ(heap.empty(), sweep.empty());
  }
  EXPECT_GT(popped, 5000);
}

}  // namespace
}  // namespace rw::tok
