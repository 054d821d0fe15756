#include "import/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ops/ops.h"

namespace rw {
namespace {

using testing::HasSubstr;

ModelConfig Load(const std::string& name) {
  auto config = LoadModelConfig(RW_SOURCE_DIR "/tests/golden/models/" + name);
  EXPECT_TRUE(config) << config.error().message;
  return *std::move(config);
}

Result<DType> AnyWeight(const std::string&, std::span<const int64_t>) { return DType::kBF16; }

int64_t Count(const Graph& graph, const OpDef& op) {
  return std::count_if(graph.nodes().begin(), graph.nodes().end(),
                       [&](const Node& node) { return node.op == &op; });
}

class EveryModel : public testing::TestWithParam<const char*> {};

TEST_P(EveryModel, GraphVerifiesAndItsTextReadsBack) {
  const ModelConfig config = Load(GetParam());
  for (const bool hidden : {false, true}) {
    const auto graph = ImportModel(config, AnyWeight, {DType::kBF16, DType::kF16, hidden});
    ASSERT_TRUE(graph) << graph.error().message;
    EXPECT_TRUE(Verify(*graph));
    const std::string text = Print(*graph);
    const auto again = ParseGraph(text, &ops::Find);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(Print(*again), text);
    EXPECT_EQ(Count(*graph, ops::kAttention), config.num_layers);
    EXPECT_EQ(graph->outputs().size(),
              hidden ? static_cast<size_t>(config.num_layers) + 3 : size_t{2});
    EXPECT_EQ(ToString(graph->type(graph->outputs()[0])),
              fmt::format("bf16[r,{}]", config.vocab_size));
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, EveryModel,
                         testing::Values("llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2",
                                         "olmo2", "granite"));

TEST(Import, SaysWhichWeightIsWrong) {
  const WeightLookup lookup = [](const std::string& name,
                                 std::span<const int64_t> dims) -> Result<DType> {
    if (name == "model.layers.1.mlp.up_proj.weight")
      return Err("{}: wanted {} rows", name, dims[0]);
    return DType::kBF16;
  };
  const auto graph = ImportModel(Load("llama"), lookup, {});
  ASSERT_FALSE(graph);
  EXPECT_EQ(graph.error().message, "model.layers.1.mlp.up_proj.weight: wanted 112 rows");
}

TEST(Import, TraitsShowInTheGraph) {
  const auto text = [](const char* model) {
    const auto graph = ImportModel(Load(model), AnyWeight, {});
    return graph ? Print(*graph) : graph.error().message;
  };
  EXPECT_THAT(text("gemma2"), HasSubstr("style = \"gemma\""));
  EXPECT_THAT(text("gemma2"), HasSubstr("%embedding.scaled = scale"));
  EXPECT_THAT(text("gemma2"), HasSubstr("softcap = 50.0, window = 24"));
  EXPECT_THAT(text("gemma2"), HasSubstr("softcap = 50.0, window = 0"));
  EXPECT_THAT(text("phi3"), HasSubstr("%q.0 = slice(%qkv.0) {begin = 0, width = 64}"));
  EXPECT_THAT(text("phi3"), HasSubstr("input %rope: f32[m,16]"));  // half of a head of 32
  EXPECT_THAT(text("qwen3"), HasSubstr("%q.normed.0 = rms_norm(%q.heads.0"));
  EXPECT_THAT(text("olmo2"), HasSubstr("%q.heads.0 = split_heads(%q.normed.0)"));
  EXPECT_THAT(text("qwen2"), HasSubstr("@model.layers.0.self_attn.q_proj.bias"));
  EXPECT_THAT(text("qwen2"), HasSubstr("%head = linear(%last.normed, @model.embed_tokens.weight)"));
  EXPECT_THAT(text("granite"), HasSubstr("%head.scaled = scale(%head) {by = 0.125}"));
}

}  // namespace
}  // namespace rw
