// Whatever the plan, the bits are the same: at every level, with each fusion alone and with each
// left out, in ranges of tokens with different programs, cut in pieces; logits and the whole KV
// cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>

#include "engine/model_runner.h"
#include "model/checkpoint.h"
#include "ops/native.h"
#include "ops/ops.h"

namespace rw {
namespace {

using ::testing::HasSubstr;

struct Case {
  std::string model;
  DType dtype;
  DType kv_dtype;
  std::string_view provider;
};

class SameBitsForEveryPlan : public ::testing::TestWithParam<Case> {
 protected:
  Result<ModelRunner> Load(const Options& plan, Evidence evidence = NoEvidence()) const {
    const std::string dir = std::string(RW_SOURCE_DIR "/tests/golden/models/") + GetParam().model;
    auto config = LoadModelConfig(dir);
    EXPECT_TRUE(config) << config.error().message;
    auto checkpoint = Checkpoint::Open(dir);
    EXPECT_TRUE(checkpoint) << checkpoint.error().message;
    return ModelRunner::Create(*std::move(config), CheckpointWeights(*std::move(checkpoint)),
                               {.dtype = GetParam().dtype,
                                .kv_dtype = GetParam().kv_dtype,
                                .max_model_len = 64,
                                .max_batch_tokens = 64,
                                .max_sequences = 64,
                                .kv_tokens = 128,
                                .providers = {GetParam().provider, "reference"},
                                .plan = plan,
                                .evidence = std::move(evidence)},
                               pool_);
  }

  mutable ThreadPool pool_{2};

  // Logits of a prompt in chunks of 1, 20 and 11 tokens, then the KV cache.
  static std::string Bits(ModelRunner& model) {
    std::mt19937 random(3);
    std::vector<int32_t> tokens(32);
    for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 256);
    const std::vector<int32_t> pages = {5, 1};
    ThreadPool pool(2);
    std::string bits;
    int64_t begin = 0;
    for (const int64_t count : {1, 20, 11}) {
      Batch batch;
      batch.Add(std::span(tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
                begin, 0, pages, false);
      batch.logit_rows.resize(static_cast<size_t>(count));
      std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
      batch.Finish();
      const TensorView logits = model.Forward(batch, pool)->logits;
      bits.append(reinterpret_cast<const char*>(logits.data),
                  static_cast<size_t>(count * logits.width()) * SizeOf(logits.dtype));
      begin += count;
    }
    const std::span<const std::byte> kv = *model.KvToHost();
    bits.append(reinterpret_cast<const char*>(kv.data()), kv.size());
    return bits;
  }
};

Options Ask(int level, const std::vector<std::string>& entries) {
  Options options;
  options.level = level;
  for (const std::string& entry : entries) {
    const Status applied = ApplyCompilationConfig(entry, options);
    EXPECT_TRUE(applied) << applied.error().message;
  }
  return options;
}

TEST_P(SameBitsForEveryPlan, LevelsFusionsRangesPieces) {
  auto plain = Load(Ask(0, {}));
  ASSERT_TRUE(plain) << plain.error().message;
  const std::string expected = Bits(*plain);
  std::vector<Options> requests = {
      Ask(1, {}),
      Ask(2, {}),
      Ask(3, {}),
      Ask(2, {"splitting_ops=attention"}),
      Ask(2, {"splitting_ops=kv_write"}),
      Ask(2, {"splitting_ops=attention", "use_inductor_graph_partition=false"}),
      Ask(2, {"rope_kvcache_fusion_max_token_num=16"}),
      Ask(2, {"compile_sizes=[1,11]"}),
      Ask(0, {"custom_ops=none"}),
      Ask(2, {"custom_ops=none"}),
      Ask(2, {"custom_ops=-rotary_embedding"}),
      Ask(0, {"custom_ops=-rms_norm", "splitting_ops=kv_write"})};
  auto all = Load(Ask(2, {}));
  ASSERT_TRUE(all) << all.error().message;
  for (const FusionDef& fusion : Fusions()) {
    const FusionSites& sites =
        all->compiled().facts.graph->fusions[static_cast<size_t>(FusionIndex(fusion.knob))];
    const std::string name(Def(fusion.knob).name);
    if (sites.layers.empty()) continue;
    requests.push_back(Ask(0, {name + "=true"}));
    requests.push_back(Ask(2, {name + "=false"}));
  }
  for (const Options& request : requests) {
    auto model = Load(request);
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_TRUE(Bits(*model) == expected)
        << "O" << request.level << ", programs " << model->compiled().programs.size();
  }
}

// Rows that have fusions on in some steps and off in others, in all ways.
Evidence RandomRows(std::mt19937& random) {
  std::vector<EvidenceRow> rows;
  for (const FusionDef& fusion : Fusions()) {
    const int64_t least = std::array<int64_t, 4>{1, 1, 2, 12}[random() % 4];
    rows.push_back({.question = QuestionOf(fusion.knob),
                    .choice = random() % 2 == 0,
                    .device = Device::kCpu,
                    .tokens = {least, least + static_cast<int64_t>(random() % 24)}});
  }
  return std::make_shared<const EvidenceTable>(std::move(rows));
}

// In steps of up to 8 tokens two fusions want one rope, and the third, which includes both, is off.
Evidence RowsOnOneRope() {
  const auto row = [](Knob knob, bool choice, Bounds tokens) {
    return EvidenceRow{
        .question = QuestionOf(knob), .choice = choice, .device = Device::kCpu, .tokens = tokens};
  };
  return std::make_shared<const EvidenceTable>(std::vector{
      row(Knob::kFuseQkNormRopeKvcache, false, {1, 48}), row(Knob::kFuseRopeKvcache, true, {1, 8}),
      row(Knob::kFuseRopeKvcache, false, {9, 64})});
}

TEST_P(SameBitsForEveryPlan, FusionsInSomeSteps) {
  auto plain = Load(Ask(0, {}));
  ASSERT_TRUE(plain) << plain.error().message;
  const std::string expected = Bits(*plain);
  std::mt19937 random(7);
  size_t most = 0;
  for (int i = 0; i < 12; ++i) {
    auto model = Load(Ask(2, {}), i == 0 ? RowsOnOneRope() : RandomRows(random));
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_TRUE(Bits(*model) == expected) << i;
    most = std::max(most, model->compiled().programs.size());
  }
  EXPECT_GT(most, 2u);
}

// What fused calls stand for is what the importer made.
TEST_P(SameBitsForEveryPlan, ExpandedAgainItIsTheImportedGraph) {
  const auto ops = [](const Graph& graph) {
    std::vector<std::string_view> names;
    for (const Node& node : graph.nodes()) names.push_back(node.op->name);
    std::sort(names.begin(), names.end());
    return names;
  };
  const auto plain = Load(Ask(0, {}));
  const auto fused = Load(Ask(2, {}));
  ASSERT_TRUE(plain && fused);
  Graph graph = fused->compiled().For(1).graph;
  EXPECT_LT(graph.nodes().size(), plain->compiled().For(1).graph.nodes().size());
  for (int depth = 0; depth < 2; ++depth) {  // a composition may hold a fused op itself
    auto expanded = ops::ExpandNative(graph, [](const Node&) { return true; });
    ASSERT_TRUE(expanded) << expanded.error().message;
    graph = *std::move(expanded);
  }
  EXPECT_TRUE(Verify(graph));
  EXPECT_EQ(ops(graph), ops(plain->compiled().For(1).graph));
}

INSTANTIATE_TEST_SUITE_P(
    Models, SameBitsForEveryPlan,
    ::testing::Values(Case{"llama", DType::kF32, DType::kF32, "simd"},
                      Case{"llama", DType::kBF16, DType::kBF16, "simd"},
                      Case{"llama", DType::kBF16, DType::kF16, "reference"},
                      Case{"qwen2", DType::kF32, DType::kF32, "simd"},  // biases
                      Case{"qwen3", DType::kF32, DType::kBF16, "simd"},
                      Case{"qwen3", DType::kBF16, DType::kBF16, "simd"},
                      Case{"qwen3", DType::kF16, DType::kF16, "simd"},
                      Case{"gemma2", DType::kBF16, DType::kBF16, "simd"},
                      Case{"phi3", DType::kF32, DType::kF32, "simd"},  // packed qkv, partial rotary
                      Case{"olmo2", DType::kF32, DType::kF32, "simd"},
                      Case{"granite", DType::kBF16, DType::kBF16, "simd"}),
    [](const auto& info) {
      return info.param.model + "_" + std::string(Name(info.param.dtype)) + "_kv_" +
             std::string(Name(info.param.kv_dtype)) + "_" + std::string(info.param.provider);
    });

TEST(Plan, ProgramsAreSharedUnlessTheyDiffer) {
  const std::string dir = RW_SOURCE_DIR "/tests/golden/models/llama";
  ThreadPool pool(2);
  const auto load = [&](const std::vector<std::string>& entries) {
    auto config = LoadModelConfig(dir);
    auto checkpoint = Checkpoint::Open(dir);
    return ModelRunner::Create(*std::move(config), CheckpointWeights(*std::move(checkpoint)),
                               {.max_model_len = 64, .kv_tokens = 64, .plan = Ask(2, entries)},
                               pool);
  };
  const auto bounded = load({"rope_kvcache_fusion_max_token_num=16"});
  ASSERT_TRUE(bounded) << bounded.error().message;
  EXPECT_EQ(bounded->compiled().programs.size(), 2u);
  EXPECT_EQ(bounded->compiled().plan.ranges.size(), 2u);
  const auto asked = load({"compile_ranges_endpoints=[8,32]", "compile_sizes=[4]"});
  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_EQ(asked->compiled().programs.size(), 1u);
  EXPECT_EQ(asked->compiled().plan.ranges.size(), 5u);
  const auto refused = load({"enable_qk_norm_rope_fusion=true"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("stands nowhere"));
}

}  // namespace
}  // namespace rw
