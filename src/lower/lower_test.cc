#include "lower/lower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "lower/arena.h"
#include "ops/ops.h"

namespace rw {
namespace {

using testing::HasSubstr;

TEST(Arena, BlocksAliveTogetherDoNotOverlap) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Block> blocks;
    for (int i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random() % 50);
      blocks.push_back({static_cast<int64_t>(1 + random() % 5000), first,
                        first + static_cast<int>(random() % 8)});
    }
    const int64_t arena = PlaceBlocks(blocks);
    for (size_t i = 0; i < blocks.size(); ++i) {
      const Block& a = blocks[i];
      EXPECT_EQ(a.offset % kArenaAlignment, 0);
      EXPECT_LE(a.offset + a.bytes, arena);
      for (size_t j = 0; j < i; ++j) {
        const Block& b = blocks[j];
        const bool together = a.first <= b.last && b.first <= a.last;
        const bool overlap = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
        EXPECT_FALSE(together && overlap) << i << " and " << j;
      }
    }
  }
}

TEST(Arena, AChainNeedsTwoBlocks) {
  std::vector<Block> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back({640, i, i + 1});
  EXPECT_EQ(PlaceBlocks(blocks), 1280);
}

constexpr std::string_view kText = R"(graph g
input %tokens: i32[n]
weight @embed: bf16[10,8]
weight @w: bf16[12,8]
%x = embed(%tokens, @embed) {dtype = "f32"}: f32[n,8]
%y = linear(%x, @w): f32[n,12]
%a = slice(%y) {begin = 4, width = 8}: f32[n,8]
%h = split_heads(%a) {d = 4}: f32[n,2,4]
%m = merge_heads(%h): f32[n,8]
%z = add(%x, %m): f32[n,8]
output %z
)";

TEST(Lower, ViewsShareTheirOperandsMemory) {
  const auto graph = ParseGraph(kText, &ops::Find);
  ASSERT_TRUE(graph) << graph.error().message;
  const auto exec = Lower(*graph, {.limits = {{"n", 16}}});
  ASSERT_TRUE(exec) << exec.error().message;
  ASSERT_EQ(exec->steps.size(), 3u);  // embed, linear, add: the views take no step
  const Slot& y = exec->steps[1].out[0];
  const Slot& m = exec->steps[2].in[1];
  EXPECT_EQ(m.offset, y.offset + 4 * 4);
  EXPECT_EQ(m.row_stride, 12);
  EXPECT_EQ(exec->weights.size(), 2u);
  EXPECT_EQ(exec->limits[static_cast<size_t>(exec->SymbolIndex("n"))], 16);
}

TEST(Lower, NamesWhatIsMissing) {
  const auto graph = ParseGraph(kText, &ops::Find);
  ASSERT_TRUE(graph);
  EXPECT_THAT(Lower(*graph, {}).error().message, HasSubstr("no limit is given"));
  EXPECT_THAT(Lower(*graph, {.providers = {"none"}, .limits = {{"n", 1}}}).error().message,
              HasSubstr("no kernel of providers none on cpu for embed"));
}

}  // namespace
}  // namespace rw
