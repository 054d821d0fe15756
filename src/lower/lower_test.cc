#include "lower/lower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
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

// The tables of ops and kernels know each other by name only; this holds them together.
// Or a composition of others that have one.
TEST(Lower, EveryOpHasAReferenceKernelAndEveryKernelAnOp) {
  for (const KernelRow& row : KernelTable()) {
    EXPECT_NE(ops::Find(row.op), nullptr) << row.op;
  }
  for (const OpDef* op : ops::All()) {
    if (op->memory == Memory::kView || !op->native.empty()) continue;
    const auto rows = KernelTable();
    EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [&](const KernelRow& row) {
      return row.op == op->name && row.provider == "reference";
    })) << op->name;
  }
}

TEST(Lower, AResultLiesWhereItsOperandEnds) {
  constexpr std::string_view kChain = R"(graph g
input %x: f32[n,8]
weight @w: f32[8,8]
%a = linear(%x, @w): f32[n,8]
%b = silu(%a): f32[n,8]
%c = mul(%b, %a): f32[n,8]
%d = add(%c, %x): f32[n,8]
output %c
output %d
)";
  const auto graph = ParseGraph(kChain, &ops::Find);
  ASSERT_TRUE(graph) << graph.error().message;
  const auto exec = Lower(*graph, {.limits = {{"n", 4}}});
  ASSERT_TRUE(exec) << exec.error().message;
  const auto place = [&](size_t step) { return exec->steps[step].out[0].offset; };
  EXPECT_NE(place(1), place(0));  // a is read again by mul
  EXPECT_EQ(place(2), place(1));  // b ends there
  EXPECT_NE(place(3), place(2));  // c is an output
}

}  // namespace
}  // namespace rw
