#include "model/rope_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace rw {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr RopeContext kLlama = {.head_dim = 8, .max_position_embeddings = 4096};
constexpr RopeContext kPhi3 = {.head_dim = 8,
                               .max_position_embeddings = 8192,
                               .phi3 = true,
                               .default_original_max_position_embeddings = 4096};

Result<RopeConfig> Parse(std::string_view text, const RopeContext& context = kLlama) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Parse(text, "config.json"));
  return ParseRopeConfig(document.root(), context);
}

RopeConfig Must(std::string_view text, const RopeContext& context = kLlama) {
  auto config = Parse(text, context);
  EXPECT_TRUE(config) << text << ": " << config.error().message;
  return config ? *config : RopeConfig{};
}

std::string ErrorOf(std::string_view text, const RopeContext& context = kLlama) {
  const auto config = Parse(text, context);
  return config ? "(no error)" : config.error().message;
}

TEST(RopeConfig, ReadsTheOldAndTheNewForm) {
  const RopeConfig plain = {.theta = 5e5, .rotary_dim = 8};
  EXPECT_EQ(Must("{}"), (RopeConfig{.rotary_dim = 8}));
  EXPECT_EQ(Must(R"({"rope_theta": 500000})"), plain);
  EXPECT_EQ(Must(R"({"rope_theta": 5e5, "rope_scaling": null})"), plain);
  EXPECT_EQ(Must(R"({"rope_theta": 5e5, "rope_scaling": {}, "rope_parameters": {}})"), plain);
  EXPECT_EQ(Must(R"({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}})"), plain);
  EXPECT_EQ(Must(R"({"rope_theta": 7, "rope_parameters": {"rope_theta": 5e5}})"), plain);
  EXPECT_EQ(Must(R"({"rope_theta": 5e5, "rope_scaling": {"type": "default", "rope_theta": null},
                     "rope_parameters": {"rope_theta": 3}})"),
            plain);

  const RopeConfig linear = {.type = RopeType::kLinear, .theta = 5e5, .rotary_dim = 8, .factor = 2};
  EXPECT_EQ(Must(R"({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2}})"),
            linear);
  EXPECT_EQ(Must(R"({"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 2}})"),
            linear);
  // rope_type goes before type where both are given.
  EXPECT_EQ(Must(R"({"rope_scaling": {"rope_type": "linear", "type": "mrope", "factor": 2}})").type,
            RopeType::kLinear);
  EXPECT_EQ(Name(RopeType::kLongrope), "longrope");
}

TEST(RopeConfig, ReadsTheKeysOfEachType) {
  EXPECT_EQ(Must(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
                     "high_freq_factor": 4, "original_max_position_embeddings": 8192}})"),
            (RopeConfig{.type = RopeType::kLlama3,
                        .rotary_dim = 8,
                        .factor = 8,
                        .original_max_position_embeddings = 8192}));
  const RopeConfig yarn = Must(
      R"({"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 1024,
          "attention_factor": 1.5, "beta_fast": 0, "beta_slow": 2, "mscale": 0.7,
          "mscale_all_dim": 0.8, "truncate": false}})");
  EXPECT_EQ(yarn.attention_factor, 1.5);
  EXPECT_EQ(yarn.beta_fast, 32.0);  // 0 stands for absent
  EXPECT_EQ(yarn.beta_slow, 2.0);
  EXPECT_EQ(yarn.mscale, 0.7);
  EXPECT_EQ(yarn.mscale_all_dim, 0.8);
  EXPECT_FALSE(yarn.truncate);
  // No factor: the growth in length. The length: at the top level first, the model's own at last.
  EXPECT_EQ(Must(R"({"rope_scaling": {"type": "yarn",
                     "original_max_position_embeddings": 1024}})")
                .factor,
            4.0);
  EXPECT_EQ(Must(R"({"original_max_position_embeddings": 512, "rope_scaling": {"type": "yarn",
                     "original_max_position_embeddings": 1024}})")
                .factor,
            8.0);
  EXPECT_EQ(Must(R"({"rope_scaling": {"type": "yarn"}})").factor, 1.0);
}

TEST(RopeConfig, Phi3HasItsOwnNames) {
  for (const char* name : {"longrope", "su", "yarn"}) {
    const RopeConfig rope =
        Must(fmt::format(R"({{"rope_scaling": {{"type": "{}", "short_factor": [1, 2],
                             "long_factor": [3, 4.5]}}, "partial_rotary_factor": 0.5}})",
                         name),
             kPhi3);
    EXPECT_EQ(rope.type, RopeType::kLongrope);
    EXPECT_EQ(rope.rotary_dim, 4);
    EXPECT_EQ(rope.original_max_position_embeddings, 4096);
    EXPECT_EQ(rope.factor, 2.0);
    EXPECT_THAT(rope.short_factor, ElementsAre(1, 2));
    EXPECT_THAT(rope.long_factor, ElementsAre(3, 4.5));
  }
  EXPECT_THAT(ErrorOf(R"({"rope_scaling": {"type": "linear", "factor": 2}})", kPhi3),
              HasSubstr("expected one of the supported rope types default, longrope, su, yarn"));
}

TEST(RopeConfig, TakesParametersByLayerTypeOnlyIfTheyAgree) {
  EXPECT_EQ(Must(R"({"rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 5},
                "sliding_attention": {"rope_type": "default", "rope_theta": 5.0}}})")
                .theta,
            5.0);
  EXPECT_THAT(ErrorOf(R"({"rope_parameters": {
                  "full_attention": {"rope_type": "default", "rope_theta": 5},
                  "sliding_attention": {"rope_type": "default", "rope_theta": 6}}})"),
              AllOf(HasSubstr("config.json: rope_parameters.sliding_attention: expected the same"),
                    HasSubstr("rope_parameters.full_attention")));
}

TEST(RopeConfig, RefusesBadValuesNamingTheKey) {
  struct Case {
    std::string_view text;
    std::string_view message;
  };
  for (const auto& [text, message] : {
           Case{R"({"rope_scaling": {"rope_type": "ntk"}})",
                "rope_scaling.rope_type: expected one of the supported rope types default, linear, "
                "dynamic, llama3, yarn, longrope, found \"ntk\""},
           Case{R"({"rope_scaling": {"type": 3}})", "rope_scaling.type: expected one of"},
           Case{R"({"rope_scaling": "linear"})", "rope_scaling: expected an object, found"},
           Case{R"({"rope_parameters": []})", "rope_parameters: expected an object"},
           Case{R"({"rope_scaling": {"type": "linear"}})", "rope_scaling.factor: missing"},
           Case{R"({"rope_scaling": {"type": "linear", "factor": 0}})",
                "rope_scaling.factor: expected a number from 1e-06 to 1e+06, found 0"},
           Case{R"({"rope_scaling": {"type": "linear", "factor": "2"}})",
                "rope_scaling.factor: expected a number"},
           Case{R"({"rope_scaling": {"type": "linear", "factor": 2, "factor": 3}})",
                "rope_scaling.factor: expected once, found twice"},
           Case{R"({"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4,
                    "high_freq_factor": 4}})",
                "rope_scaling.high_freq_factor: expected more than low_freq_factor (4), found 4"},
           Case{R"({"rope_scaling": {"type": "llama3", "factor": 8, "high_freq_factor": 4}})",
                "rope_scaling.low_freq_factor: missing"},
           Case{R"({"rope_scaling": {"type": "yarn", "original_max_position_embeddings": -1}})",
                "original_max_position_embeddings: expected a whole number"},
           Case{R"({"rope_scaling": {"type": "yarn", "beta_fast": 1, "beta_slow": 2}})",
                "rope_scaling: expected beta_fast to be at least beta_slow, found 1 and 2"},
           Case{R"({"rope_theta": 1, "rope_scaling": {"type": "yarn"}})",
                "rope_scaling: expected a rope_theta of at least 1.5"},
           Case{R"({"rope_scaling": {"type": "yarn", "truncate": 1}})",
                "rope_scaling.truncate: expected true or false"},
           Case{R"({"rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 1],
                    "long_factor": [1, 1, 1]}})",
                "rope_scaling.long_factor: expected 4 numbers, half the 8 rotary dims, found 3"},
           Case{R"({"rope_scaling": {"type": "longrope", "short_factor": [1, 1, 0, 1]}})",
                "rope_scaling.short_factor[2]: expected a number"},
           Case{R"({"rope_scaling": {"type": "longrope", "short_factor": 1}})",
                "rope_scaling.short_factor: expected an array"},
           Case{R"({"partial_rotary_factor": 0.5})",
                "partial_rotary_factor: expected 1 for this architecture"},
       }) {
    EXPECT_THAT(ErrorOf(text), AllOf(HasSubstr("config.json: "), HasSubstr(message))) << text;
  }
  EXPECT_THAT(ErrorOf(R"({"partial_rotary_factor": 0.4})", kPhi3),
              HasSubstr("partial_rotary_factor: expected an even number of rotary dims, found 3"));
  EXPECT_THAT(ErrorOf(R"({"rope_scaling": {"type": "dynamic", "factor": 2}})",
                      {.head_dim = 2, .max_position_embeddings = 8}),
              HasSubstr("more than 2 rotary dims for rope type dynamic, found 2"));
}

}  // namespace
}  // namespace rw
