// What the op `sample` means, on the CPU and on a GPU alike.
//
// Tokens stand in the order of their logits, equal ones in the order of their ids. top-k keeps the
// first k, min-p those that weigh enough beside the first; of the mass of what is left, top-p keeps
// the first tokens that together reach p, the one that crosses it included. One draw then falls on
// what is kept, laid end to end in the order of ids.
//
// Masses are whole numbers, so a sum does not depend on its order, and weights are made of single
// products and sums only: the same logits and the same draw give the same token on every device,
// alone and in a batch, at any number of threads.
#pragma once

#include <algorithm>
#include <bit>
#include <limits>
#include <span>

#include "kernels/scalar_math.h"

namespace rw {

// How one row is sampled. Any bits are safe: what is no number or out of range filters nothing.
struct SampleRule {
  float temperature = 0;  // 0: the likeliest token
  float top_p = 1;        // 1: all
  float min_p = 0;        // 0: all
  int32_t top_k = 0;      // 0: all
  uint32_t draw = 0;      // uniform, in units of 2^-32

  RW_HD bool greedy() const { return !(temperature > 0); }
};

// From a row of the operands `how` and `pick`, and back.
inline constexpr int kHowWidth = 3, kPickWidth = 2;
RW_HD inline SampleRule ReadRule(const float* how, const int32_t* pick) {
  return {how[0], how[1], how[2], pick[0], static_cast<uint32_t>(pick[1])};
}
inline void WriteRule(const SampleRule& rule, float* how, int32_t* pick) {
  how[0] = rule.temperature, how[1] = rule.top_p, how[2] = rule.min_p;
  pick[0] = rule.top_k, pick[1] = static_cast<int32_t>(rule.draw);
}

// 2^x in units of 2^-31 for x in [-31, 0]; the polynomial is within 1e-8 of it.
RW_HD inline uint32_t FixedPower(float x) {
  constexpr float kWhole = 0x1.8p23f;  // a sum with it rounds to a whole number, in its low bits
  const float shifted = x + kWhole;
  const int whole = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kWhole);
  const float part = x - (shifted - kWhole);  // in [-1/2, 1/2]
  float power = 0.000154531634f;
  power = power * part + 0.00133908633f;
  power = power * part + 0.00961808302f;
  power = power * part + 0.0555035695f;
  power = power * part + 0.240226507f;
  power = power * part + 0.693147182f;
  power = power * part + 1.0f;
  return static_cast<uint32_t>(power * 0x1p31f) >> -whole;
}

// What tokens weigh: e^((logit - best) / temperature) in units of 2^-31, nothing below one unit,
// below min-p or where the logit is no finite number.
class SampleWeights {
 public:
  RW_HD SampleWeights(const SampleRule& rule, float best) : best_(best) {
    constexpr float kLog2E = 1.44269504f;
    const float scale = kLog2E / rule.temperature;
    // Not infinite, so that the best weighs all even at the least temperature.
    scale_ = scale < std::numeric_limits<float>::max() ? scale : std::numeric_limits<float>::max();
    if (rule.min_p > 0) {
      least_ = static_cast<uint32_t>(std::ceil((rule.min_p < 1 ? rule.min_p : 1) * 0x1p31f));
    }
  }
  RW_HD uint32_t operator()(float logit) const {
    const float log2 = (logit - best_) * scale_;
    const bool counts = log2 >= -31 && log2 <= 0;
    const uint32_t weight = FixedPower(counts ? log2 : 0);  // no branch: several are made at once
    return counts && weight >= least_ ? weight : 0;
  }

 private:
  float best_, scale_;
  uint32_t least_ = 0;
};

// The mass that the first tokens have to reach, at least one unit.
RW_HD inline uint64_t TopPMass(uint64_t total, float top_p) {
  const double mass = std::ceil(static_cast<double>(total) * static_cast<double>(top_p));
  return mass < 1 ? 1 : static_cast<uint64_t>(mass);
}

// Where the draw falls: floor(total * draw / 2^32). total < 2^63.
RW_HD inline uint64_t DrawnMass(uint64_t total, uint32_t draw) {
  return (total >> 32) * draw + (((total & 0xffffffffu) * draw) >> 32);
}

// Where the largest finite number is, the first of equals; -1: nowhere.
int32_t Likeliest(std::span<const float> logits);
// The token that `rule` takes; -1: no logit is finite.
int32_t SampleToken(std::span<const float> logits, const SampleRule& rule);

}  // namespace rw
