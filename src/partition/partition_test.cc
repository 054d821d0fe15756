#include "partition/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rw {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

const OpDef kMix = {.name = "mix", .signature = "(x: T[n,h], w: W[h,h]) -> (y: T[n,h])"};
const OpDef kCut = {.name = "cut",
                    .signature = "(x: T[n,h]) -> (y: T[n,h])",
                    .attrs = {{"by", AttrDef::Kind::kInt}}};

// Layers of mix, mix, cut over one stream.
Graph Layers(int layers, int64_t by_of_layer_1 = 1) {
  Graph graph("layers");
  ValueId x = graph.AddInput("x", Type::Tensor(DType::kF32, {"n", 8}));
  for (int i = 0; i < layers; ++i) {
    const std::string suffix = "." + std::to_string(i);
    const ValueId w = graph.AddWeight("w" + suffix, Type::Tensor(DType::kBF16, {8, 8}));
    x = (*graph.AddNode(kMix, {x, w}, {}, {"a" + suffix}, i))[0];
    x = (*graph.AddNode(kMix, {x, w}, {}, {"b" + suffix}, i))[0];
    x = (*graph.AddNode(kCut, {x}, {{"by", i == 1 ? by_of_layer_1 : int64_t{1}}}, {"c" + suffix},
                        i))[0];
  }
  graph.AddOutput(x);
  return graph;
}

const std::vector<std::string> kCuts = {"cut"};

TEST(Partition, OnePieceWithoutCuts) {
  const auto pieces = Partition(Layers(3), {});
  ASSERT_THAT(pieces, SizeIs(1));
  EXPECT_EQ(pieces[0].first, 0);
  EXPECT_EQ(pieces[0].last, 9);
  EXPECT_FALSE(pieces[0].splitting);
}

TEST(Partition, EqualLayersAreEqualPieces) {
  const auto pieces = Partition(Layers(4), kCuts);
  ASSERT_THAT(pieces, SizeIs(8));
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(pieces[i].splitting, i % 2 == 1);
    // The layer number, names and weights do not count.
    EXPECT_EQ(pieces[i].equal_to, static_cast<int>(i % 2)) << i;
    EXPECT_EQ(pieces[i].hash, pieces[i % 2].hash) << i;
  }
  // All cuts leave their piece, the last one as the graph's output: the same to what is compiled.
  EXPECT_EQ(CountDistinct(pieces), 2);
}

TEST(Partition, AttributesAndWiringCount) {
  const auto attribute = Partition(Layers(3, 7), kCuts);
  EXPECT_EQ(attribute[3].equal_to, 3);
  EXPECT_EQ(CountDistinct(attribute), 3);

  Graph graph = Layers(2);
  // A reader of layer 1's first value outside of its piece.
  const ValueId a = graph.nodes()[3].out[0];
  const ValueId extra = (*graph.AddNode(kCut, {a}, {{"by", int64_t{1}}}, {"extra"}, 1))[0];
  graph.AddOutput(extra);
  const auto wiring = Partition(graph, kCuts);
  EXPECT_EQ(wiring[2].equal_to, 2);
}

TEST(Partition, CutsThatFollowEachOtherShareAPiece) {
  const std::vector<std::string> all = {"cut", "mix"};
  EXPECT_THAT(Partition(Layers(2), all), SizeIs(1));
}

TEST(Partition, AnEmptyGraphHasNoPieces) {
  EXPECT_THAT(Partition(Graph("none"), kCuts), SizeIs(0));
}

}  // namespace
}  // namespace rw
