#include "lower/regions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/native.h"
#include "ops/ops.h"

namespace rw {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The regions of a graph text in which all ops are native that can be.
struct Found {
  Graph graph;
  std::vector<Region> regions;

  std::vector<std::vector<std::string>> Ops() const {
    std::vector<std::vector<std::string>> ops;
    for (const Region& region : regions) {
      ops.emplace_back();
      for (const int node : region.nodes) {
        ops.back().emplace_back(graph.nodes()[static_cast<size_t>(node)].op->name);
      }
    }
    return ops;
  }
  std::vector<std::string> Stored(size_t region) const {
    std::vector<std::string> names;
    for (const ValueId id : regions[region].out) names.push_back(graph.value(id).name);
    return names;
  }
};

Found Find(std::string_view text) {
  auto graph = ParseGraph(text, &ops::Find);
  EXPECT_TRUE(graph) << graph.error().message;
  auto native = ops::MakeNative(*std::move(graph), [](const Node&) { return true; });
  EXPECT_TRUE(native) << native.error().message;
  const Piece piece = Partition(*native, {})[0];
  std::vector<Region> regions = FindRegions(*native, piece);
  return {*std::move(native), std::move(regions)};
}

TEST(Regions, WhatIsReadInsideIsNotStored) {
  const Found found = Find(R"(graph g
input %a: bf16[n,64]
input %b: bf16[n,64]
weight @w: f32[64]
%sum, %y = add_rms_norm(%a, %b, @w) {eps = 1e-05, style = "llama"}: bf16[n,64], bf16[n,64]
%z = silu(%y): bf16[n,64]
output %sum
output %z
)");
  EXPECT_THAT(found.Ops(), ElementsAre(ElementsAre("add", "rms_norm", "silu")));
  EXPECT_THAT(found.Stored(0), ElementsAre("sum", "z"));
  EXPECT_EQ(native::Print(found.regions[0].program),
            R"(in bf16* bf16* f32*; out bf16 bf16; cache f32
rows of in0, 1 heads of 64
  %0 = load in0 own [0:64:1]
  %1 = load in1 own [0:64:1]
  %2 = add %0 %1
  %3 = round %2 bf16
  %4 = store %3 out0 own [0:64:1]
  %5 = load in2 shared [0:64:1]
  %6 = sum_squares %3
  %7 = norm_factor %6 0x1.4f8b58p-17
  %8 = mul %3 %7
  %9 = round %8 bf16
  %10 = mul %5 %9
  %11 = round %10 bf16
  %12 = silu %11
  %13 = round %12 bf16
  %14 = store %13 out1 own [0:64:1]
)");
}

TEST(Regions, NormsRopeAndCacheAreOneKernelWithThreeParts) {
  const Found found = Find(R"(graph g
input %q: f32[n,4,8]
input %k: f32[n,2,8]
input %v: f32[n,2,8]
input %pos: i32[n]
input %cs: f32[m,6]
input %slot: i32[n]
input %kv: kv<f8e4m3>[2,8]
weight @qw: f32[8]
weight @kw: f32[8]
%qr, %kv1 = qk_norm_rope_kv_write(%q, %k, %v, @qw, @kw, %pos, %cs, %slot, %kv) {eps = 1e-05, layout = "half", style = "llama"}: f32[n,4,8], kv<f8e4m3>[2,8]
output %qr
output %kv1
)");
  ASSERT_EQ(found.regions.size(), 1u);
  const native::Program& program = found.regions[0].program;
  EXPECT_THAT(found.Stored(0), ElementsAre("qr"));
  EXPECT_EQ(found.graph.value(found.regions[0].kv).name, "kv1");
  ASSERT_EQ(program.parts.size(), 3u);
  const std::vector<native::Segment> cut = {{0, 3, 1}, {3, 3, 1}, {6, 2, 1}};
  EXPECT_EQ(program.parts[0].heads, 4);
  EXPECT_EQ(program.parts[0].segments, cut);
  EXPECT_EQ(program.parts[1].heads, 2);
  EXPECT_EQ(program.parts[1].segments, cut);
  EXPECT_EQ(program.parts[2].segments.size(), 1u);  // v is not cut
  EXPECT_THAT(native::Print(program), HasSubstr("store_cache"));
  // What the step is given stays as it is while it runs: angles can be looked up early.
  EXPECT_THAT(native::Print(program), HasSubstr("in f32* f32* i32* f32* "));
}

TEST(Regions, ARegionEndsWhereAValueIsReadInAnotherWay) {
  // A norm over the whole row, then heads of it.
  const Found heads = Find(R"(graph g
input %x: f32[n,32]
input %k: f32[n,2,8]
input %pos: i32[n]
input %cs: f32[m,8]
weight @w: f32[32]
%y = rms_norm(%x, @w) {eps = 1e-05, style = "llama"}: f32[n,32]
%q = split_heads(%y) {d = 8}: f32[n,4,8]
%qr, %kr = rope(%q, %k, %pos, %cs) {layout = "half"}: f32[n,4,8], f32[n,2,8]
output %qr
output %kr
)");
  EXPECT_THAT(heads.Ops(), ElementsAre(ElementsAre("rms_norm"), ElementsAre("rope")));
  EXPECT_THAT(heads.Stored(0), ElementsAre("y"));

  // Picking rows of what the region makes.
  const Found picked = Find(R"(graph g
input %x: f32[n,8]
input %rows: i32[r]
%y = silu(%x): f32[n,8]
%z = gather_rows(%y, %rows): f32[r,8]
output %z
)");
  EXPECT_THAT(picked.Ops(), ElementsAre(ElementsAre("silu"), ElementsAre("gather_rows")));

  // Rows cut in two ways.
  const Found cut = Find(R"(graph g
input %q: f32[n,4,8]
input %k: f32[n,2,8]
input %pos: i32[n]
input %cs: f32[m,8]
%a, %b = rope(%q, %k, %pos, %cs) {layout = "half"}: f32[n,4,8], f32[n,2,8]
%c, %d = rope(%a, %b, %pos, %cs) {layout = "interleaved"}: f32[n,4,8], f32[n,2,8]
output %c
output %d
)");
  EXPECT_EQ(cut.regions.size(), 2u);
}

TEST(Regions, ACallOfAKernelEndsARegion) {
  const Found found = Find(R"(graph g
input %x: f32[n,8]
weight @w: f32[8,8]
%a = silu(%x): f32[n,8]
%b = linear(%a, @w): f32[n,8]
%c = add(%b, %x): f32[n,8]
%d = mul(%c, %x): f32[n,8]
output %d
)");
  EXPECT_THAT(found.Ops(), ElementsAre(ElementsAre("silu"), ElementsAre("add", "mul")));
  EXPECT_THAT(found.Stored(1), ElementsAre("d"));
}

}  // namespace
}  // namespace rw
