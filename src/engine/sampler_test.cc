#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

namespace rw {
namespace {

using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::map<int32_t, int> Histogram(const SamplingParams& params, const std::vector<float>& logits,
                                 int draws) {
  Sampler sampler(params, {});
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) {
    std::vector<float> row = logits;
    ++counts[sampler.Sample(row).token];
  }
  return counts;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  EXPECT_EQ(Histogram({}, {1, 3, 3, 2}, 5), (std::map<int32_t, int>{{1, 5}}));
  EXPECT_EQ(Histogram({}, {kNan, -kInf, 2, kNan}, 1), (std::map<int32_t, int>{{2, 1}}));
}

TEST(Sampler, NoFiniteLogitIsNoToken) {
  for (const double temperature : {0.0, 1.0}) {
    EXPECT_EQ(Histogram({.temperature = temperature}, {kNan, -kInf, kNan}, 1),
              (std::map<int32_t, int>{{-1, 1}}));
  }
}

// Draws follow softmax(logits / temperature): within five standard deviations of it.
TEST(Sampler, DrawsFollowTheDistribution) {
  const std::vector<float> logits = {0.0f, 1.0f, 2.0f, -1.0f};
  for (const double temperature : {0.5, 1.0, 2.0}) {
    constexpr int kDraws = 20000;
    auto counts = Histogram({.temperature = temperature, .seed = 3}, logits, kDraws);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit / temperature);
    for (size_t i = 0; i < logits.size(); ++i) {
      const double p = std::exp(logits[i] / temperature) / sum;
      EXPECT_NEAR(counts[static_cast<int32_t>(i)], p * kDraws, 5 * std::sqrt(p * (1 - p) * kDraws));
    }
  }
}

TEST(Sampler, FiltersKeepWhatTheySay) {
  // Probabilities about .64 .24 .09 .03.
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, 0.0f};
  const auto kept = [&](SamplingParams params) {
    params.temperature = 1.0;
    params.seed = 5;
    std::vector<int32_t> tokens;
    for (const auto& [token, count] : Histogram(params, logits, 3000)) tokens.push_back(token);
    return tokens;
  };
  using Tokens = std::vector<int32_t>;
  EXPECT_EQ(kept({}), (Tokens{0, 1, 2, 3}));
  EXPECT_EQ(kept({.top_k = 2}), (Tokens{1, 2}));
  EXPECT_EQ(kept({.top_p = 0.5}), (Tokens{1}));
  EXPECT_EQ(kept({.top_p = 0.7}), (Tokens{1, 2}));
  EXPECT_EQ(kept({.min_p = 0.1}), (Tokens{0, 1, 2}));
  EXPECT_EQ(kept({.min_p = 1.0}), (Tokens{1}));
  EXPECT_EQ(kept({.top_k = 3, .top_p = 0.95}), (Tokens{0, 1, 2}));
}

TEST(Sampler, PenaltiesMoveLogitsAsDefined) {
  const auto next = [](const SamplingParams& params, std::vector<int32_t> prompt,
                       std::vector<float> logits, int steps) {
    Sampler sampler(params, prompt);
    int32_t token = -1;
    for (int i = 0; i < steps; ++i) {
      std::vector<float> row = logits;
      token = sampler.Sample(row).token;
    }
    return token;
  };
  // The prompt's token 0 falls from 2 to 1; positive is divided, negative multiplied.
  EXPECT_EQ(next({.repetition_penalty = 2}, {0}, {2, 1.5f}, 1), 1);
  EXPECT_EQ(next({.repetition_penalty = 2}, {0}, {-1, -1.5f}, 1), 1);
  // Presence and frequency look at what was generated, not at the prompt.
  EXPECT_EQ(next({.presence_penalty = 1}, {0}, {2, 1.5f}, 1), 0);
  EXPECT_EQ(next({.presence_penalty = 1}, {0}, {2, 1.5f}, 2), 1);
  EXPECT_EQ(next({.frequency_penalty = 0.3}, {}, {2, 1.5f}, 2), 0);
  EXPECT_EQ(next({.frequency_penalty = 0.3}, {}, {2, 1.5f}, 3), 1);
}

TEST(Sampler, LogprobsAreOfTheUntouchedDistribution) {
  Sampler sampler({.temperature = 0.0, .repetition_penalty = 100, .logprobs = 2},
                  std::vector<int32_t>{1});
  std::vector<float> logits = {0.5f, 1.0f, -1.0f};
  const Sampled sampled = sampler.Sample(logits);
  EXPECT_EQ(sampled.token, 0);  // the penalty took token 1 from 1 to 0.01
  const double norm = std::log(std::exp(0.5) + std::exp(1.0) + std::exp(-1.0));
  EXPECT_NEAR(*sampled.logprob, 0.5 - norm, 1e-6);
  ASSERT_EQ(sampled.top.size(), 2u);
  EXPECT_EQ(sampled.top[0].token, 1);
  EXPECT_NEAR(sampled.top[0].logprob, 1 - norm, 1e-6);
}

TEST(Sampler, ValidateNamesTheParameter) {
  const auto error = [](const SamplingParams& params) {
    const Status status = Validate(params);
    return status ? "" : status.error().message;
  };
  EXPECT_EQ(error({}), "");
  EXPECT_THAT(error({.temperature = std::nan("")}), HasSubstr("temperature: expected"));
  EXPECT_THAT(error({.temperature = -1}), HasSubstr("temperature"));
  EXPECT_THAT(error({.temperature = HUGE_VAL}), HasSubstr("temperature"));
  EXPECT_THAT(error({.top_k = -5}), HasSubstr("top-k"));
  EXPECT_THAT(error({.top_p = 0}), HasSubstr("top-p"));
  EXPECT_THAT(error({.top_p = 1.0001}), HasSubstr("top-p"));
  EXPECT_THAT(error({.min_p = std::nan("")}), HasSubstr("min-p"));
  EXPECT_THAT(error({.repetition_penalty = 0}), HasSubstr("repetition-penalty"));
  EXPECT_THAT(error({.stop = {""}}), HasSubstr("stop"));
  EXPECT_EQ(error({.temperature = 1e-12}), "");
}

TEST(Sampler, ATinyTemperatureIsGreedy) {
  EXPECT_EQ(Histogram({.temperature = 1e-12, .seed = 1}, {1, 3, 2.9f}, 100),
            (std::map<int32_t, int>{{1, 100}}));
}

}  // namespace
}  // namespace rw
