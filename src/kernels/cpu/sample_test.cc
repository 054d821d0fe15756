// sample on the CPU: what each rule keeps, where a draw falls, that nothing breaks it.
#include <set>

#include "kernels/sample_testing.h"

namespace rw {
namespace {

using ::testing::ElementsAre;
using testing::ForEachProvider;
using testing::kInfinity;
using testing::kNan;
using testing::LogitRows;
using testing::RunOp;
using testing::SampleOperands;
using testing::Tensor;

std::vector<int32_t> Sample(std::string_view provider, const TensorView& x,
                            const std::vector<SampleRule>& rules, int threads = 1) {
  const SampleOperands operands(rules);
  RunOp("sample", provider, {x, operands.how, operands.pick}, {operands.y}, {}, threads);
  return operands.Tokens();
}

struct GreedyCase {
  std::vector<float> row;
  int32_t token;
};

TEST(Sample, GreedyIsTheFirstLargestFiniteNumber) {
  const float inf = kInfinity, nan = kNan;
  const GreedyCase cases[] = {
      {{-3, -1, -2}, 1}, {{2, 7, 7, 7}, 1},    {{nan, -5, nan}, 1},   {{inf, 1, 2, -inf}, 2},
      {{nan, inf}, -1},  {{-0.0f, 0.0f}, 0},   {{-1e30f}, 0},         {{-inf, -inf, -inf}, -1},
      {{0, 0, 0, 0}, 0}, {{-inf, nan, -9}, 2}, {{nan, nan, nan}, -1},
  };
  ForEachProvider([&](std::string_view provider) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const GreedyCase& c : cases) {
        if (dtype == DType::kF16 && c.row[0] == -1e30f) continue;  // infinite there
        EXPECT_THAT(Sample(provider, LogitRows(dtype, {c.row}), {{}}), ElementsAre(c.token))
            << ::testing::PrintToString(c.row);
      }
    }
  });
}

// The largest at every place, twice more behind it, in rows around whole vectors.
TEST(Sample, GreedyFindsEveryPlace) {
  ForEachProvider([](std::string_view provider) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const int64_t v : {1, 4, 15, 16, 17, 64, 100, 131, 3000}) {
        const int64_t rows = std::min<int64_t>(v, 131);
        Tensor x = Tensor(dtype, {rows, v}, 3).Random(7, 2);
        std::vector<int32_t> expected;
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t first = (r * (v / rows) + 1) % v;
          for (const int64_t i : {first, (first + v) / 2, v - 1}) x.Set(r, i, 2.5f);
          expected.push_back(static_cast<int32_t>(first));
        }
        EXPECT_EQ(Sample(provider, x, std::vector<SampleRule>(rows), 3), expected) << v;
      }
    }
  });
}

// The tokens that draws spread over [0, 1) fall on.
std::vector<int32_t> Kept(const std::vector<float>& logits, SampleRule rule) {
  std::set<int32_t> tokens;
  for (uint32_t i = 0; i < 4096; ++i) {
    rule.draw = i << 20 | i;
    tokens.insert(SampleToken(logits, rule));
  }
  return {tokens.begin(), tokens.end()};
}

TEST(Sample, FiltersKeepWhatTheySay) {
  // Probabilities about .24 .64 .09 .03.
  const std::vector<float> logits = {2.0f, 3.0f, 1.0f, 0.0f};
  EXPECT_THAT(Kept(logits, {1}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Kept(logits, {.temperature = 1, .top_k = 2}), ElementsAre(0, 1));
  EXPECT_THAT(Kept(logits, {.temperature = 1, .top_k = 9}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Kept(logits, {.temperature = 1, .top_p = 0.6f}), ElementsAre(1));
  EXPECT_THAT(Kept(logits, {.temperature = 1, .top_p = 0.7f}), ElementsAre(0, 1));
  EXPECT_THAT(Kept(logits, {.temperature = 1, .top_p = 1e-9f}), ElementsAre(1));
  EXPECT_THAT(Kept(logits, {.temperature = 1, .min_p = 0.1f}), ElementsAre(0, 1, 2));
  EXPECT_THAT(Kept(logits, {.temperature = 1, .min_p = 1}), ElementsAre(1));
  // Of .73 .27: top-p counts what top-k left.
  EXPECT_THAT(Kept(logits, {.temperature = 1, .top_p = 0.7f, .top_k = 2}), ElementsAre(1));
  // A low temperature raises what is likely, a high one makes all alike.
  EXPECT_THAT(Kept(logits, {.temperature = 0.4f, .top_p = 0.9f}), ElementsAre(1));
  EXPECT_THAT(Kept(logits, {.temperature = 9, .top_p = 0.9f}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Kept(logits, {.temperature = 1e-40f}), ElementsAre(1));
}

TEST(Sample, TiesGoToTheLowerIds) {
  const std::vector<float> logits = {1, 2, 1, 2, 1, 2, 0};
  EXPECT_THAT(Kept(logits, {.temperature = 1, .top_k = 2}), ElementsAre(1, 3));
  EXPECT_THAT(Kept(logits, {.temperature = 1, .top_k = 4}), ElementsAre(0, 1, 3, 5));
  EXPECT_THAT(Kept(logits, {.temperature = 1, .top_k = 5}), ElementsAre(0, 1, 2, 3, 5));
  EXPECT_THAT(Kept({5, 5, 5, 5}, {.temperature = 1, .top_p = 0.5f}), ElementsAre(0, 1));
  EXPECT_THAT(Kept({5, 5, 5, 5}, {.temperature = 1, .top_p = 0.51f}), ElementsAre(0, 1, 2));
}

// Masses in eighths: 1, 2, 4, 1.
TEST(Sample, ADrawFallsWhereItShould) {
  const float two = std::numbers::ln2_v<float>;
  const std::vector<float> row = {7, 7 + two, 7 + 2 * two, 7};
  struct Case {
    double draw;
    int32_t token;
  };
  constexpr Case kCases[] = {{0, 0},     {0.124, 0}, {0.126, 1}, {0.374, 1},
                             {0.376, 2}, {0.874, 2}, {0.876, 3}, {0.9999999999, 3}};
  ForEachProvider([&](std::string_view provider) {
    for (const Case& c : kCases) {
      const SampleRule rule{.temperature = 1, .draw = static_cast<uint32_t>(c.draw * 0x1p32)};
      EXPECT_THAT(Sample(provider, LogitRows(DType::kF32, {row}), {rule}), ElementsAre(c.token));
    }
  });
}

TEST(Sample, OnlyFiniteLogitsHaveAWeight) {
  EXPECT_THAT(Kept({kNan, 1, kInfinity, 1, -kInfinity}, {1}), ElementsAre(1, 3));
  EXPECT_THAT(Kept({kNan, 1, kInfinity, 1, -kInfinity}, {.temperature = 1, .top_k = 1}),
              ElementsAre(1));
  EXPECT_THAT(Kept({3e38f, -3e38f, 3e38f}, {1e30f}), ElementsAre(0, 2));
  EXPECT_THAT(Kept({kNan, -kInfinity}, {.temperature = 1, .top_p = 0.5f, .top_k = 1}),
              ElementsAre(-1));
  EXPECT_THAT(Kept({}, {1}), ElementsAre(-1));
}

TEST(Sample, WeightsFollowTheExponential) {
  const SampleWeights weigh({.temperature = 0.8f}, 3);
  EXPECT_EQ(weigh(3), 1u << 31);
  for (int i = 0; i < 1200; ++i) {
    const float logit = 3 - 0.0137f * static_cast<float>(i);
    const double exact = std::exp((static_cast<double>(logit) - 3) / static_cast<double>(0.8f));
    EXPECT_NEAR(weigh(logit) * 0x1p-31, exact, 4e-6 * exact + 0x1p-31) << logit;
  }
  EXPECT_EQ(weigh(-20), 0u);
}

TEST(Sample, AgreesWithAPlainSampler) {
  ForEachProvider([](std::string_view provider) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const testing::Logits kind : testing::kLogits) {
        for (const int64_t v : {1, 2, 37, 1000}) {
          const std::vector<SampleRule> rules = testing::SomeRules(40, v);
          const Tensor x = testing::SomeLogits(kind, dtype, 40, v, v, 3);
          testing::ExpectPlainSamples(x, rules, Sample(provider, x, rules, 2));
        }
      }
    }
  });
}

TEST(Sample, ProvidersAgreeAndRowsStandAlone) {
  const std::vector<SampleRule> rules = testing::SomeRules(30, 5);
  const Tensor x = testing::SomeLogits(testing::Logits::kPlain, DType::kBF16, 30, 5003, 1);
  const std::vector<int32_t> expected = Sample("reference", x, rules);
  ForEachProvider([&](std::string_view provider) {
    EXPECT_EQ(Sample(provider, x, rules, 4), expected);
    for (size_t r = 0; r < rules.size(); ++r) {
      TensorView row = x;
      row.data += static_cast<int64_t>(r) * row.row_stride * 2;
      row.dims[0] = 1;
      EXPECT_THAT(Sample(provider, row, {rules[r]}), ElementsAre(expected[r]));
    }
  });
}

}  // namespace
}  // namespace rw
