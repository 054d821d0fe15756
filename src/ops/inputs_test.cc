#include "ops/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ops/cost.h"
#include "ops/native.h"
#include "ops/ops.h"

namespace rw::ops {
namespace {

TEST(Inputs, EveryOpHasACallThatVerifiesAndReadsBack) {
  for (const OpDef* op : All()) {
    if (op->memory == Memory::kView) continue;
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const auto graph = CallGraph(*op, {.dtype = dtype, .kv_dtype = DType::kF8E4M3});
      ASSERT_TRUE(graph) << op->name << ": " << graph.error().message;
      const auto again = ParseGraph(Print(*graph), &Find);
      ASSERT_TRUE(again) << op->name << ": " << again.error().message;
      EXPECT_EQ(Print(*again), Print(*graph));
      EXPECT_GT(BytesMoved(*graph, SymbolsOf({})), 0) << op->name;
    }
  }
}

TEST(Inputs, EveryCompositionFitsItsCall) {
  for (const OpDef* op : All()) {
    if (op->native.empty()) continue;
    const auto graph = CallGraph(*op, {});
    ASSERT_TRUE(graph) << graph.error().message;
    const auto native = ExpandNative(*graph, [](const Node&) { return true; });
    ASSERT_TRUE(native) << native.error().message;
    EXPECT_TRUE(Verify(*native)) << op->name;
  }
}

TEST(Inputs, NumbersKeepTheirBounds) {
  const CallShape shape{.tokens = 600, .padding = true};
  for (const auto& [operand, below] : std::map<std::string, int64_t>{
           {"ids", shape.vocabulary}, {"pos", shape.positions}, {"rows", shape.tokens}}) {
    const auto ints = std::get<std::vector<int32_t>>(ContentsOf(operand, shape, 1));
    EXPECT_EQ(ints.size(), 600u) << operand;
    EXPECT_THAT(ints, testing::Each(testing::AllOf(testing::Ge(0), testing::Lt(below)))) << operand;
  }
  auto slots = std::get<std::vector<int32_t>>(ContentsOf("slot", shape, 1));
  EXPECT_EQ(slots.back(), -1);
  slots.pop_back();
  EXPECT_EQ(std::set<int32_t>(slots.begin(), slots.end()).size(), slots.size());
  EXPECT_THAT(slots, testing::Each(testing::Lt(CachePages(kKvWrite, shape) * 16)));
  EXPECT_NE(ContentsOf("slot", shape, 1), ContentsOf("slot", shape, 2));
  EXPECT_EQ(ContentsOf("x", shape, 1), Contents());
  EXPECT_EQ(std::get<std::vector<float>>(ContentsOf("cs", shape, 1)).size(),
            static_cast<size_t>(shape.positions * shape.d));
}

}  // namespace
}  // namespace rw::ops
