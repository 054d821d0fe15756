#include "model/rope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

namespace rw {
namespace {

constexpr char kGolden[] = RW_SOURCE_DIR "/tests/golden/rope/frequencies.json";

ModelConfig Parsed(std::string_view text) {
  const auto document = *JsonDocument::Parse(text, "config.json");
  auto config = ParseModelConfig(document.root());
  EXPECT_TRUE(config) << config.error().message;
  return config ? *config : ModelConfig{};
}

std::vector<float> Floats(const Json& list) {
  std::vector<float> values;
  const auto elements = *list.Elements();
  for (const Json& value : elements) values.push_back(static_cast<float>(*value.AsDouble()));
  return values;
}

// Distance in representable floats, for finite values of the same sign.
int64_t UlpsApart(float a, float b) {
  return std::abs(int64_t{std::bit_cast<int32_t>(a)} - int64_t{std::bit_cast<int32_t>(b)});
}

TEST(Rope, FrequenciesAreThoseOfTransformers) {
  const auto document = *JsonDocument::Load(kGolden);
  int cases = 0;
  const Status status =
      document.root().ForEachMember([&](std::string_view name, Json golden) -> Status {
        SCOPED_TRACE(name);
        RW_ASSIGN(const Json raw, golden.Get("config"));
        RW_ASSIGN(const ModelConfig config, ParseModelConfig(raw));
        RW_ASSIGN(const int64_t length, golden.Get("sequence_length")->AsInt());
        const RopeFrequencies ours = ComputeRopeFrequencies(config, length);
        const std::vector<float> theirs = Floats(*golden.Get("inv_freq"));
        EXPECT_DOUBLE_EQ(ours.attention_scaling, *golden.Get("attention_scaling")->AsDouble());
        EXPECT_EQ(ours.inv_freq.size(), theirs.size());
        // torch's pow is now and then one unit off. More than one such value in a case would be a
        // slip in the order of roundings.
        int unequal = 0;
        for (size_t i = 0; i < std::min(theirs.size(), ours.inv_freq.size()); ++i) {
          EXPECT_LE(UlpsApart(ours.inv_freq[i], theirs[i]), 1) << i;
          unequal += ours.inv_freq[i] != theirs[i];
        }
        EXPECT_LE(unequal, 1);
        ++cases;
        return {};
      });
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(cases, 21);
}

RopeTable Filled(const ModelConfig& config, int64_t length) {
  auto table = BuildRopeTable(config, length);
  EXPECT_TRUE(table) << table.error().message;
  table->Fill(length);
  return *std::move(table);
}

TEST(Rope, TableHoldsTheCosinesOfTransformers) {
  const auto document = *JsonDocument::Load(kGolden);
  const Status status =
      document.root().ForEachMember([&](std::string_view name, Json golden) -> Status {
        SCOPED_TRACE(name);
        RW_ASSIGN(const ModelConfig config, ParseModelConfig(*golden.Get("config")));
        RW_ASSIGN(const int64_t length, golden.Get("sequence_length")->AsInt());
        const RopeFrequencies ours = ComputeRopeFrequencies(config, length);
        const std::vector<float> theirs = Floats(*golden.Get("inv_freq"));
        const RopeTable table = Filled(config, length);
        const auto row = table.row(table.RowOffset(length) + length - 1);
        const std::vector<float> cos = Floats(*golden.Get("last_cos"));
        const std::vector<float> sin = Floats(*golden.Get("last_sin"));
        EXPECT_EQ(row.size(), cos.size() * 2);
        for (size_t i = 0; i < cos.size(); ++i) {
          // A frequency that is one unit off takes the angle with it.
          const float angle = static_cast<float>(length - 1) * ours.inv_freq[i];
          const float bound = 3e-7f + (ours.inv_freq[i] == theirs[i] ? 0.0f : angle * 1.2e-7f);
          EXPECT_NEAR(row[i], cos[i], bound) << i;
          EXPECT_NEAR(row[cos.size() + i], sin[i], bound) << i;
        }
        return {};
      });
  ASSERT_TRUE(status) << status.error().message;
}

constexpr char kSizes[] =
    R"("architectures": ["LlamaForCausalLM"], "vocab_size": 8, "hidden_size": 16,
       "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
       "max_position_embeddings": 32, )";

TEST(Rope, DynamicHasASecondBlockOnlyBeyondTheLimit) {
  const ModelConfig config =
      Parsed(std::string("{") + kSizes + R"("rope_scaling": {"type": "dynamic", "factor": 2.0}})");
  const RopeTable within = Filled(config, 32);
  EXPECT_EQ(within.rows(), 32);
  EXPECT_EQ(within.RowOffset(32), 0);

  const RopeTable beyond = Filled(config, 100);
  EXPECT_EQ(beyond.rows(), 200);
  EXPECT_EQ(beyond.RowOffset(1), 0);
  EXPECT_EQ(beyond.RowOffset(32), 0);
  EXPECT_EQ(beyond.RowOffset(33), 100);
  EXPECT_EQ(beyond.RowOffset(100), 100);
  // The same frequencies as for a shorter table in the first block, lower ones in the second.
  EXPECT_THAT(beyond.row(31), testing::ElementsAreArray(within.row(31)));
  const RopeFrequencies longest = ComputeRopeFrequencies(config, 100);
  EXPECT_LT(longest.inv_freq[1], ComputeRopeFrequencies(config, 32).inv_freq[1]);
  EXPECT_EQ(beyond.row(100 + 7)[1], std::cos(7.0f * longest.inv_freq[1]));
  EXPECT_EQ(beyond.row(100 + 7)[4 + 1], std::sin(7.0f * longest.inv_freq[1]));
}

TEST(Rope, PlainTypesHaveOneBlockAtAnyLength) {
  const ModelConfig config = Parsed(std::string("{") + kSizes + R"("rope_theta": 100.0})");
  const RopeTable table = Filled(config, 100);
  EXPECT_EQ(table.rotary_dim(), 8);
  EXPECT_EQ(table.rows(), 100);
  EXPECT_EQ(table.RowOffset(100), 0);
  EXPECT_THAT(table.row(0), testing::ElementsAre(1, 1, 1, 1, 0, 0, 0, 0));
}

TEST(RopeDeathTest, AskingBeyondTheTableIsABug) {
  const ModelConfig config = Parsed(std::string("{") + kSizes + R"("rope_theta": 100.0})");
  const RopeTable table = Filled(config, 8);
  EXPECT_DEATH(table.RowOffset(9), "sequence_limit");
  EXPECT_DEATH(BuildRopeTable(config, 8)->row(0), "rope row 0");  // not filled
}

}  // namespace
}  // namespace rw
