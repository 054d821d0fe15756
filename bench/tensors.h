// What the kernel benchmarks share: tensors of numbers and kernels found as the lowering finds
// them.
#pragma once

#include <array>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "kernels/kernel.h"

namespace rw::bench {

// A tensor that owns its elements, filled with small random numbers.
struct Tensor {
  std::vector<std::byte> bytes;
  TensorView view;
};
inline Tensor MakeTensor(DType dtype, std::initializer_list<int64_t> dims) {
  Tensor tensor;
  int64_t count = 1;
  for (const int64_t dim : dims) count *= dim;
  tensor.bytes.resize(count * SizeOf(dtype));
  tensor.view = TensorView::Contiguous(tensor.bytes.data(), dtype, {dims.begin(), dims.size()});
  uint32_t random = 1;
  for (int64_t i = 0; i < count; ++i) {
    random = random * 1664525u + 1013904223u;
    const float value = static_cast<float>(random >> 8) * 0x1p-24f - 0.5f;
    if (dtype == DType::kF32) reinterpret_cast<float*>(tensor.view.data)[i] = value;
    if (dtype == DType::kBF16) reinterpret_cast<BF16*>(tensor.view.data)[i] = RoundTo<BF16>(value);
    if (dtype == DType::kF16) reinterpret_cast<F16*>(tensor.view.data)[i] = RoundTo<F16>(value);
  }
  return tensor;
}

inline const KernelRow& Row(std::string_view op, const KernelTypes& types, const Attrs& attrs) {
  constexpr std::array<std::string_view, 2> kProviders = {"simd", "reference"};
  const KernelRow* row = FindKernel(op, Device::kCpu, types, attrs, kProviders);
  RW_CHECK(row != nullptr, "no kernel for {}", op);
  return *row;
}

}  // namespace rw::bench
