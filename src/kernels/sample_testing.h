// What the tests of op sample share: its operands, and a plain sampler to hold it against.
#pragma once

#include "kernels/cpu/testing.h"
// testing.h comes first: it sets the targets of Highway.
#include "kernels/sampling.h"

namespace rw::testing {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr uint32_t kHalf = 0x80000000u;  // a draw of 1/2

// The operands `how` and `pick` of some rows, and the result.
struct SampleOperands {
  explicit SampleOperands(const std::vector<SampleRule>& rules)
      : how(DType::kF32, {static_cast<int64_t>(rules.size()), kHowWidth}, 2),
        pick(DType::kI32, {static_cast<int64_t>(rules.size()), kPickWidth}, 1),
        y(DType::kI32, {static_cast<int64_t>(rules.size())}) {
    for (int64_t r = 0; r < how.view().rows(); ++r) {
      WriteRule(rules[static_cast<size_t>(r)], how.view().row<float>(r),
                pick.view().row<int32_t>(r));
    }
  }
  std::vector<int32_t> Tokens() const {
    EXPECT_TRUE(y.CanariesLive());
    const std::span<const int32_t> tokens = y.view().flat<const int32_t>();
    return {tokens.begin(), tokens.end()};
  }
  Tensor how, pick, y;
};

inline Tensor LogitRows(DType dtype, const std::vector<std::vector<float>>& rows, int64_t gap = 0) {
  Tensor x(dtype, {static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())}, gap);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < rows[r].size(); ++i) {
      x.Set(static_cast<int64_t>(r), static_cast<int64_t>(i), rows[r][i]);
    }
  }
  return x;
}

// Logits that are hard to sample from: plain ones, many equal ones, ones that are no numbers.
enum class Logits { kPlain, kEqual, kBroken };
inline constexpr std::array kLogits = {Logits::kPlain, Logits::kEqual, Logits::kBroken};

inline Tensor SomeLogits(Logits kind, DType dtype, int64_t rows, int64_t v, uint32_t seed,
                         int64_t gap = 0) {
  Tensor x = Tensor(dtype, {rows, v}, gap).Random(seed, 12);
  for (int64_t r = 0; kind != Logits::kPlain && r < rows; ++r) {
    for (int64_t i = 0; i < v; ++i) {
      const float logit = x.At(r, i);
      x.Set(r, i, std::round(logit / 4));
      if (kind == Logits::kBroken && (i + r) % 3 == 0) {
        x.Set(r, i, logit < -4 ? kNan : logit < 4 ? -kInfinity : kInfinity);
      }
    }
  }
  return x;
}

// Rules of every kind, nonsense among them, `count` in all.
inline std::vector<SampleRule> SomeRules(int64_t count, uint32_t seed) {
  constexpr float temperatures[] = {1, 0.7f, 3, 0, 1, 1e-30f, 1e-42f, 1e30f, kInfinity, -1, kNan};
  constexpr float top_ps[] = {1, 0.9f, 0.5f, 0.99f, 1e-7f, 0, -1, 2, kNan};
  constexpr float min_ps[] = {0, 0, 0.05f, 1, 1e-4f, 2, -1, kNan};
  constexpr int32_t top_ks[] = {0, 1, 2, 5, 40, 1000, 1 << 30, -7};
  std::vector<SampleRule> rules;
  uint32_t state = seed * 2654435761u + 99u;
  const auto one_of = [&](const auto& values) {
    state = state * 1664525u + 1013904223u;
    return values[(state >> 16) % std::size(values)];
  };
  for (int64_t i = 0; i < count; ++i) {
    SampleRule rule{one_of(temperatures), one_of(top_ps), one_of(min_ps), one_of(top_ks)};
    state = state * 1664525u + 1013904223u;
    rule.draw = i % 7 == 0 ? 0xffffffffu : i % 7 == 1 ? 0 : state * 2246822519u;
    rules.push_back(rule);
  }
  return rules;
}

// A plain sampler: sorted, in float64. It says which tokens a draw may fall on: one, or several
// where the draw or an edge of top-p is nearer to a border than rounding may take it.
inline std::vector<int32_t> PlainSample(const std::vector<float>& logits, const SampleRule& rule) {
  constexpr double kNear = 1e-4;  // far above what rounding does, and what is left out as too light
  struct Token {
    double logit;
    int32_t id;
    double weight;
  };
  std::vector<Token> kept;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) kept.push_back({logits[i], static_cast<int32_t>(i), 1});
  }
  std::ranges::sort(kept, [](const Token& a, const Token& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  });
  if (kept.empty()) return {-1};
  if (!(rule.temperature > 0)) return {kept[0].id};
  const double best = kept[0].logit;
  for (Token& token : kept) token.weight = std::exp((token.logit - best) / rule.temperature);
  std::erase_if(kept,
                [&](const Token& token) { return token.weight < std::min(rule.min_p, 1.0f); });
  if (rule.top_k > 0) kept.resize(std::min<size_t>(kept.size(), rule.top_k));
  double total = 0;
  for (const Token& token : kept) total += token.weight;
  std::vector<size_t> sizes = {kept.size()};  // how many top-p may keep
  if (rule.top_p < 1) {
    sizes.clear();
    double mass = 0;
    for (size_t n = 1; n <= kept.size(); ++n) {
      const double before = mass;
      mass += kept[n - 1].weight;
      const double wanted = std::max<double>(rule.top_p, 0) * total;
      const bool reaches = mass >= wanted - kNear * total || n == kept.size();
      const bool needed = n == 1 || before <= wanted + kNear * total;
      if (reaches && needed) sizes.push_back(n);
    }
  }
  std::vector<int32_t> tokens;
  for (const size_t size : sizes) {
    std::vector<Token> by_id(kept.begin(), kept.begin() + static_cast<int64_t>(size));
    std::ranges::sort(by_id, {}, &Token::id);
    double sum = 0, mass = 0;
    for (const Token& token : by_id) sum += token.weight;
    const double drawn = rule.draw * 0x1p-32 * sum;
    for (const Token& token : by_id) {
      const bool begins = mass <= drawn + kNear * sum;
      mass += token.weight;
      if (begins && mass > drawn - kNear * sum) tokens.push_back(token.id);
    }
  }
  return tokens;
}

inline void ExpectPlainSamples(const Tensor& x, const std::vector<SampleRule>& rules,
                               const std::vector<int32_t>& tokens) {
  for (size_t r = 0; r < rules.size(); ++r) {
    std::vector<float> logits;
    for (int64_t i = 0; i < x.view().width(); ++i)
      logits.push_back(x.At(static_cast<int64_t>(r), i));
    const SampleRule& rule = rules[r];
    EXPECT_THAT(PlainSample(logits, rule), ::testing::Contains(tokens[r]))
        << fmt::format("row {}: temperature {} top_p {} min_p {} top_k {} draw {}", r,
                       rule.temperature, rule.top_p, rule.min_p, rule.top_k, rule.draw);
  }
}

}  // namespace rw::testing
