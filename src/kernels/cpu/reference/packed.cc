#include "base/packed.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/args.h"
#include "kernels/cpu/reference/float_rows.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/packed_x.h"

namespace rw::reference {
namespace {

struct XGroup {
  std::array<int16_t, kXGroup> whole{};
  float scale = 0;

  float ScaledSum() const {
    int32_t sum = 0;
    for (const int16_t x : whole) sum += x;
    return scale * static_cast<float>(sum);
  }
};

XGroup RoundGroup(std::span<const float> x) {
  XGroup group;
  float most = 0;
  for (const float element : x) {
    if (!std::isfinite(element)) {
      group.scale = std::numeric_limits<float>::quiet_NaN();
      return group;
    }
    most = std::max(most, std::abs(element));
  }
  if (most < kXLeast) return group;
  group.scale = most / kXWhole;
  const float by = kXWhole / most;
  for (size_t i = 0; i < x.size(); ++i) {
    group.whole[i] = static_cast<int16_t>(std::nearbyint(x[i] * by));
  }
  return group;
}

std::vector<XGroup> RoundRow(const TensorView& x, int64_t row) {
  const std::vector<float> numbers = ReadRow(x, row);
  std::vector<XGroup> groups;
  for (size_t i = 0; i < numbers.size(); i += kXGroup) {
    groups.push_back(
        RoundGroup(std::span(numbers).subspan(i, std::min<size_t>(kXGroup, numbers.size() - i))));
  }
  return groups;
}

float Product(const PackedLayout& layout, const PackedRow& w, const std::vector<XGroup>& x) {
  const int64_t span = std::min(layout.group, kXGroup);
  float y = 0;
  for (int64_t g = 0; g < std::ssize(x); ++g) {
    for (int64_t begin = g * kXGroup; begin < (g + 1) * kXGroup; begin += span) {
      const int64_t group = begin / layout.group;
      int32_t sum = 0;
      for (int64_t i = begin; i < begin + span; ++i) {
        sum += x[g].whole[i % kXGroup] * (w.codes[i] - w.Zero(layout, group));
      }
      y = std::fma(static_cast<float>(sum), w.Scale(layout, group) * x[g].scale, y);
      if (layout.has_min()) y = std::fma(-w.Min(layout, group), x[g].ScaledSum(), y);
    }
  }
  return y;
}

// Column j of y, which is row j of w.
void MultiplyRow(const LinearArgs& args, const std::vector<std::vector<XGroup>>& x,
                 const std::vector<float>& bias, int64_t j) {
  const PackedLayout& layout = LayoutOf(args.w.dtype);
  PackedRow w(layout, args.k);
  ReadPackedRow(args.w.dtype, args.w.data, args.k, j, w);
  const auto y_size = static_cast<int64_t>(SizeOf(args.y.dtype));
  for (int64_t i = 0; i < args.n; ++i) {
    float y = Product(layout, w, x[i]);
    if (!bias.empty()) y += bias[j];
    FromFloats(args.y.dtype, &y, 1, RowBytes(args.y, i) + j * y_size);
  }
}

}  // namespace

void PackedEmbed(const KernelCall& call) {
  const EmbedArgs args = ReadEmbed(call);
  call.pool.ParallelFor(args.ids.rows(), 1, [&](int64_t begin, int64_t end) {
    std::vector<float> row(args.w.width());
    for (int64_t i = begin; i < end; ++i) {
      const int32_t id = *args.ids.row<const int32_t>(i);
      RW_CHECK(id >= 0 && id < args.w.rows(), "row {} of {}", id, args.w.rows());
      UnpackRow(args.w.dtype, args.w.data, args.w.width(), id, row.data());
      WriteRow(args.y, i, row);
    }
  });
}

void PackedLinear(const KernelCall& call) {
  const std::vector<LinearArgs> products = ReadLinear(call);
  std::vector<std::vector<XGroup>> x;
  for (int64_t i = 0; i < products[0].n; ++i) x.push_back(RoundRow(products[0].x, i));
  for (const LinearArgs& args : products) {
    std::vector<float> bias;
    if (args.bias != nullptr) bias = ReadVector(*args.bias);
    call.pool.ParallelFor(args.m, 1, [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; ++j) MultiplyRow(args, x, bias, j);
    });
  }
}

}  // namespace rw::reference
