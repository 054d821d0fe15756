// Where a product's sums go: bias, rounding and the store, for the types of one call.
#pragma once

#include "kernels/args.h"
#include "kernels/gpu/types.cuh"

namespace rw::gpu {

struct LinearOutput {
  void* y;
  const void* bias;  // null: none
  int64_t y_stride;
  DType y_type, bias_type;
};

inline LinearOutput OutputOf(const LinearArgs& args) {
  const bool biased = args.bias != nullptr;
  return {args.y.data, biased ? args.bias->data : nullptr, args.y.row_stride, args.y.dtype,
          biased ? args.bias->dtype : DType::kF32};
}

#if defined(__CUDACC__) || defined(__HIPCC__)

__device__ __forceinline__ float LoadFloat(const void* from, DType dtype, int64_t i) {
  if (dtype == DType::kF32) return static_cast<const float*>(from)[i];
  if (dtype == DType::kBF16) return Widen(static_cast<const BF16*>(from)[i]);
  return Widen(static_cast<const F16*>(from)[i]);
}

__device__ __forceinline__ void StoreFloat(void* to, DType dtype, int64_t i, float x) {
  if (dtype == DType::kF32) {
    static_cast<float*>(to)[i] = x;
  } else if (dtype == DType::kBF16) {
    static_cast<BF16*>(to)[i] = Narrow<BF16>(x);
  } else {
    static_cast<F16*>(to)[i] = Narrow<F16>(x);
  }
}

// y[token][row] of a sum over all of k; row counts the rows of W.
__device__ __forceinline__ void StoreSum(const LinearOutput& out, int64_t token, int64_t row,
                                         float sum) {
  if (out.bias != nullptr) sum += LoadFloat(out.bias, out.bias_type, row);
  StoreFloat(out.y, out.y_type, token * out.y_stride + row, sum);
}

#endif

}  // namespace rw::gpu
