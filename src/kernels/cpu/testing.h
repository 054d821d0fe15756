// What the kernel tests share: tensors with poison and canaries, kernels called by name, targets.
#pragma once

#include "kernels/cpu/simd/targets.h"
// targets.h comes before Highway.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/kernel.h"

namespace rw::testing {

inline constexpr std::array kFloatTypes = {DType::kF32, DType::kBF16, DType::kF16};
inline constexpr std::array kCacheTypes = {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3};
inline constexpr double kEps = 0x1p-24;  // half an ulp of 1 in float

// Half an ulp of 1, doubled, in `dtype`: how far one rounding apart can take two near numbers.
inline double UlpOf(DType dtype) {
  return dtype == DType::kBF16 ? 0x1p-7 : dtype == DType::kF16 ? 0x1p-10 : 0x1p-23;
}

// A tensor with `gap` elements between its rows and a guard before and after. All of it starts as
// 0xff bytes, which is NaN in every float type: what a kernel leaves unwritten shows, and what it
// writes outside shows too.
class Tensor {
 public:
  Tensor(DType dtype, std::vector<int64_t> dims, int64_t gap = 0) {
    int64_t width = 1;
    for (size_t i = 1; i < dims.size(); ++i) width *= dims[i];
    if (dims.size() == 1) gap = 0;
    const int64_t size = static_cast<int64_t>(SizeOf(dtype));
    bytes_.resize((dims[0] * (width + gap) + 2 * kGuard) * size, std::byte{0xff});
    view_ = TensorView::Contiguous(bytes_.data() + kGuard * size, dtype, dims);
    view_.row_stride = dims.size() == 1 ? 1 : width + gap;
  }
  Tensor(const Tensor& other) : bytes_(other.bytes_), view_(other.view_) {
    view_.data = bytes_.data() + (other.view_.data - other.bytes_.data());
  }
  Tensor& operator=(const Tensor&) = delete;

  static Tensor Ints(const std::vector<int32_t>& values) {
    Tensor tensor(DType::kI32, {static_cast<int64_t>(values.size())});
    std::memcpy(tensor.view_.data, values.data(), values.size() * sizeof(int32_t));
    return tensor;
  }

  const TensorView& view() const { return view_; }
  operator const TensorView&() const { return view_; }  // NOLINT: operands read better so

  void Set(int64_t row, int64_t i, float value) {
    WithCacheType(view_.dtype, [&]<class T>(T) { view_.row<T>(row)[i] = RoundTo<T>(value); });
  }
  float At(int64_t row, int64_t i) const {
    float value = 0;
    WithCacheType(view_.dtype, [&]<class T>(T) { value = ToFloat(view_.row<const T>(row)[i]); });
    return value;
  }
  // Numbers in [-scale, scale), the same for the same seed and place whatever the stride.
  Tensor& Random(uint32_t seed, float scale = 1) {
    uint32_t state = seed * 2654435761u + 12345u;
    for (int64_t r = 0; r < view_.rows(); ++r) {
      for (int64_t i = 0; i < view_.width(); ++i) {
        state = state * 1664525u + 1013904223u;
        Set(r, i, (static_cast<float>(state >> 8) * 0x1p-23f - 1.0f) * scale);
      }
    }
    return *this;
  }
  // The bytes of one row.
  std::span<const std::byte> Row(int64_t row) const {
    const size_t size = SizeOf(view_.dtype);
    return {view_.data + row * view_.row_stride * size, view_.width() * size};
  }
  bool SameRow(int64_t row, const Tensor& other, int64_t other_row) const {
    return std::ranges::equal(Row(row), other.Row(other_row));
  }
  bool Same(const Tensor& other) const {
    for (int64_t r = 0; r < view_.rows(); ++r) {
      if (!SameRow(r, other, r)) return false;
    }
    return true;
  }
  // Whether guards and gaps still hold what they began with.
  bool CanariesLive() const {
    std::vector<std::byte> rest = bytes_;
    for (int64_t r = 0; r < view_.rows(); ++r) {
      const std::span row = Row(r);
      std::fill_n(rest.begin() + (row.data() - bytes_.data()), row.size(), std::byte{0xff});
    }
    return std::ranges::all_of(rest, [](std::byte b) { return b == std::byte{0xff}; });
  }
  bool AnyNan() const {
    for (int64_t r = 0; r < view_.rows(); ++r) {
      for (int64_t i = 0; i < view_.width(); ++i) {
        if (std::isnan(At(r, i))) return true;
      }
    }
    return false;
  }

 private:
  static constexpr int64_t kGuard = 64;  // elements
  std::vector<std::byte> bytes_;
  TensorView view_;
};

// A cache of `pages` pages, [pages, hk, 16, d] or [pages, 16, hk, d], all poison. `scaled`: each
// head of keys and of values has a scale of its own.
struct Cache {
  Cache(DType dtype, int64_t pages, int64_t heads, int64_t d, bool tokens_first,
        bool scaled = false)
      : k(dtype, {pages, heads * kPageSize * d}), v(dtype, {pages, heads * kPageSize * d}) {
    view = {k.view().data, v.view().data, dtype, pages, heads, d, heads * kPageSize * d};
    view.head_stride = tokens_first ? d : kPageSize * d;
    view.token_stride = tokens_first ? heads * d : d;
    if (!scaled) return;
    for (int64_t head = 0; head < heads; ++head) {
      k_scales.push_back(0.7f / static_cast<float>(head + 1));
      v_scales.push_back(0.03f * static_cast<float>(head + 1));
    }
    view.k_scale = k_scales.data();
    view.v_scale = v_scales.data();
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  Tensor k, v;
  std::vector<float> k_scales, v_scales;
  KvLayerView view;
};

// Angles of `positions` positions for r elements: cosines, then sines.
inline Tensor Angles(int64_t positions, int64_t r, int64_t gap = 3) {
  Tensor cs(DType::kF32, {positions, r}, gap);
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < r / 2; ++i) {
      const double angle = static_cast<double>(p) * std::pow(10000.0, -2.0 * i / r);
      cs.Set(p, i, static_cast<float>(std::cos(angle)));
      cs.Set(p, r / 2 + i, static_cast<float>(std::sin(angle)));
    }
  }
  return cs;
}

// Runs `op` of one provider on the operands.
inline void RunOp(std::string_view op, std::string_view provider, std::vector<TensorView> in,
                  std::vector<TensorView> out, const Attrs& attrs = {}, int threads = 1,
                  const KvLayerView* kv = nullptr) {
  std::vector<DType> in_types, out_types;
  for (const TensorView& x : in) in_types.push_back(x.dtype);
  for (const TensorView& x : out) out_types.push_back(x.dtype);
  const KernelTypes types{in_types, out_types, kv != nullptr ? kv->dtype : DType::kF32};
  const KernelRow* row = FindKernel(op, Device::kCpu, types, attrs, std::array{provider});
  ASSERT_NE(row, nullptr) << op << " of " << provider;
  ThreadPool pool(threads);
  row->run({in, out, kv, attrs, pool});
}

// Calls body once for each instruction set that this build has and this machine can run.
inline void ForEachTarget(const std::function<void()>& body) {
  for (int64_t targets = HWY_TARGETS & hwy::SupportedTargets(); targets != 0;
       targets &= targets - 1) {
    const int64_t target = targets & -targets;
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

// Calls body with the name of each provider, for the vectors once on each target.
inline void ForEachProvider(const std::function<void(std::string_view provider)>& body) {
  body("reference");
  ForEachTarget([&] { body("simd"); });
}

// |a - b| <= bound(row, i) + the step that one rounding to the type can make of it.
template <class Bound>
void ExpectNear(const Tensor& a, const Tensor& b, const Bound& bound) {
  for (int64_t r = 0; r < a.view().rows(); ++r) {
    for (int64_t i = 0; i < a.view().width(); ++i) {
      const double x = a.At(r, i), y = b.At(r, i);
      if (std::isnan(x) && std::isnan(y)) continue;
      const double rounding =
          a.view().dtype == DType::kF32 ? 0 : UlpOf(a.view().dtype) * std::abs(y) + 0x1p-24;
      ASSERT_LE(std::abs(x - y), bound(r, i) + rounding) << r << "," << i << ": " << x << " " << y;
    }
  }
}

}  // namespace rw::testing
