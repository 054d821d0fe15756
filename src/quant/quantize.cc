#include "quant/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace rw {
namespace {

// Whole numbers that are codes.
struct Range {
  float least, most;
};

// What of the range the largest number takes, for 4 bits; 1.0 stands for all of it. Above, codes of
// one sign are given up for none to be cut; below, the largest is cut for the others' sake.
constexpr std::array kSymmetricTries = {8.0f / 7, 1.07f, 1.0f, 0.95f, 0.9f, 0.85f, 0.8f};
constexpr std::array kZeroTries = {1.0f, 0.95f, 0.9f, 0.85f, 0.8f};
constexpr std::array kOneTry = {1.0f};

struct Choice {
  float scale = 0;  // as a half holds it
  float zero = 0;

  // The code nearest to x.
  float Code(float x, float inverse, const Range& range) const {
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: sums are whole, half to even
    const float near = (std::clamp(x * inverse, -512.0f, 512.0f) + kRound) - kRound;
    return std::clamp(near + zero, range.least, range.most);
  }
  float Inverse() const { return scale == 0 ? 0 : 1 / scale; }

  // Sum of squared errors, in partial sums that the compiler keeps in a vector.
  float Error(std::span<const float> x, const Range& range) const {
    constexpr size_t kSums = 8;
    const float inverse = Inverse();
    std::array<float, kSums> sums{};
    for (size_t i = 0; i < x.size(); ++i) {
      const float error = x[i] - scale * (Code(x[i], inverse, range) - zero);
      sums[i % kSums] += error * error;
    }
    float sum = 0;
    for (const float part : sums) sum += part;
    return sum;
  }
};

Choice Best(std::span<const float> x, const Range& range, bool has_zero,
            std::span<const float> tries) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  const float below = std::min(*low, 0.0f), above = std::max(*high, 0.0f);
  // Symmetric: the largest number goes to the range's further end, which is `least`, at 8 bits to
  // -127, so that both signs have as many codes.
  const float most = -below > above ? below : above;
  const float full = has_zero ? (above - below) / (range.most - range.least) : most / range.least;
  Choice best;
  float least_error = std::numeric_limits<float>::infinity();
  for (const float part : tries) {
    Choice choice{.scale = ToFloat(RoundTo<F16>(full * part))};
    if (has_zero) {
      choice.zero = std::clamp(std::nearbyint(range.least - below * choice.Inverse()), range.least,
                               range.most);
    }
    const float error = tries.size() == 1 ? 0 : choice.Error(x, range);
    if (error < least_error) best = choice, least_error = error;
  }
  return best;
}

bool AllFinite(std::span<const float> x) {
  float sum = 0;  // of zeros, unless one is not finite
  for (const float element : x) sum += element * 0.0f;
  return sum == 0;
}

}  // namespace

void QuantizeRow(DType packed, std::span<const float> row, PackedRow& to) {
  const PackedLayout& layout = LayoutOf(packed);
  RW_CHECK(!layout.has_sub_scales(), "{} is read from files, not made", Name(packed));
  const bool eight = layout.bits == 8, has_zero = layout.has_zero();
  const Range range = eight ? Range{has_zero ? -128.0f : -127.0f, 127.0f} : Range{-8.0f, 7.0f};
  const std::span<const float> tries = eight      ? std::span<const float>(kOneTry)
                                       : has_zero ? std::span<const float>(kZeroTries)
                                                  : std::span<const float>(kSymmetricTries);
  std::ranges::fill(to.codes, int8_t{0});
  for (size_t u = 0; u < to.scales.size(); ++u) {
    const size_t begin = u * layout.unit;
    const auto x = row.subspan(begin, std::min<size_t>(layout.unit, row.size() - begin));
    if (!AllFinite(x)) {
      to.scales[u] = RoundTo<F16>(std::numeric_limits<float>::quiet_NaN());
      continue;
    }
    const Choice choice = Best(x, range, has_zero, tries);
    const float inverse = choice.Inverse();
    to.scales[u] = RoundTo<F16>(choice.scale);
    for (size_t i = 0; i < static_cast<size_t>(layout.unit); ++i) {
      const float code = i < x.size() ? choice.Code(x[i], inverse, range) : choice.zero;
      to.codes[begin + i] = static_cast<int8_t>(code);
    }
    if (has_zero) to.zeros[u] = static_cast<int8_t>(choice.zero);
  }
}

}  // namespace rw
