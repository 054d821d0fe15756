// Scales of an fp8 cache: read under every name, refused where they make no sense, and used.
#include "engine/kv_scales.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "engine/model_runner.h"

namespace rw {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Scales = std::map<std::string, std::vector<float>>;

// A golden model's weights with some numbers beside them.
class Scaled final : public Weights {
 public:
  explicit Scaled(Scales numbers)
      : numbers_(std::move(numbers)),
        weights_(CheckpointWeights(*Checkpoint::Open(RW_SOURCE_DIR "/tests/golden/models/llama"))) {
  }

  Result<DType> TypeOf(const std::string& name, std::span<const int64_t> dims) const override {
    return weights_->TypeOf(name, dims);
  }
  Result<TensorView> Get(const std::string& name, std::span<const int64_t> dims) const override {
    return weights_->Get(name, dims);
  }
  Result<std::vector<float>> Numbers(const std::string& name) const override {
    const auto it = numbers_.find(name);
    return it == numbers_.end() ? std::vector<float>() : it->second;
  }

 private:
  Scales numbers_;
  std::shared_ptr<const Weights> weights_;
};

std::string Name(int layer, std::string_view name) {
  return fmt::format("model.layers.{}.self_attn.{}", layer, name);
}

Result<KvScales> Read(Scales numbers, int64_t layers) {
  return ReadKvScales(Scaled(std::move(numbers)), layers, 2);
}

TEST(KvScales, AreReadUnderEveryName) {
  for (const auto& [k, v] : {std::pair{"k_scale", "v_scale"},
                             {"attn.k_scale", "attn.v_scale"},
                             {"k_proj.k_scale", "v_proj.v_scale"}}) {
    Scales numbers;
    numbers[Name(1, k)] = {0.5f};
    numbers[Name(1, v)] = {2, 3};
    const auto scales = Read(std::move(numbers), 2);
    ASSERT_TRUE(scales) << scales.error().message;
    EXPECT_THAT(scales->k, ElementsAre(1, 1, 0.5f, 0.5f)) << k;
    EXPECT_THAT(scales->v, ElementsAre(1, 1, 2, 3)) << v;
  }
  Scales both;
  both[Name(0, "kv_scale")] = {4};
  const auto scales = Read(std::move(both), 1);
  ASSERT_TRUE(scales);
  EXPECT_THAT(scales->k, ElementsAre(4, 4));
  EXPECT_THAT(scales->v, ElementsAre(4, 4));
  EXPECT_THAT(Read({}, 2)->k, IsEmpty());
}

TEST(KvScales, AreRefusedWhereTheyMakeNoSense) {
  const auto message = [](std::vector<float> k, std::vector<float> v) {
    Scales numbers;
    numbers[Name(0, "k_scale")] = std::move(k);
    if (!v.empty()) numbers[Name(0, "v_scale")] = std::move(v);
    const auto scales = Read(std::move(numbers), 1);
    return scales ? "read" : scales.error().message;
  };
  EXPECT_THAT(message({1, 2, 3}, {1}), HasSubstr("k_scale: expected one scale or one for each of 2 "
                                                 "kv heads, found 3"));
  EXPECT_THAT(message({1}, {0}), HasSubstr("v_scale: expected scales above 0, found 0"));
  EXPECT_THAT(message({NAN}, {1}), HasSubstr("expected scales above 0"));
  EXPECT_THAT(message({1}, {}), HasSubstr("v_scale beside model.layers.0.self_attn.k_scale"));
}

// Logits of the second of two tokens, which sees the first through the cache.
std::vector<float> Logits(Scales numbers) {
  ThreadPool pool(1);
  auto config = LoadModelConfig(RW_SOURCE_DIR "/tests/golden/models/llama");
  auto model = ModelRunner::Create(*std::move(config), std::make_shared<Scaled>(std::move(numbers)),
                                   {.dtype = DType::kF32,
                                    .kv_dtype = DType::kF8E4M3,
                                    .max_model_len = 32,
                                    .max_batch_tokens = 8,
                                    .max_sequences = 1,
                                    .kv_tokens = 32},
                                   pool);
  EXPECT_TRUE(model) << model.error().message;
  const std::vector<int32_t> tokens = {7, 11}, pages = {0, 1};
  std::vector<float> logits;
  for (int64_t i = 0; i < 2; ++i) {
    Batch batch;
    batch.Add(std::span(tokens).subspan(static_cast<size_t>(i), 1), i, 0, pages, true);
    batch.Finish();
    const TensorView row = model->Forward(batch, pool)->logits;
    logits.assign(row.row<const float>(0), row.row<const float>(0) + row.width());
  }
  return logits;
}

TEST(KvScales, ScaleTheCache) {
  const auto scaled = [](float by) {
    Scales numbers;
    for (int layer = 0; layer < 16; ++layer) numbers[Name(layer, "kv_scale")] = {by};
    return Logits(std::move(numbers));
  };
  const std::vector<float> plain = Logits({});
  EXPECT_EQ(scaled(1), plain);
  // So small a scale drives the cache to its largest number.
  EXPECT_NE(scaled(1e-6f), plain);
}

}  // namespace
}  // namespace rw
