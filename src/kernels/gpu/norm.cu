// rms_norm and add_rms_norm. A row takes as many threads as its sum has lanes (norm.cuh): part of a
// warp for the heads of qk norms, up to a block for hidden states.
#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "kernels/args.h"
#include "kernels/gpu/gpu.h"
#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/norm.cuh"

namespace rw::gpu {
namespace {

constexpr int kMinThreads = 128;  // of a block; rows of fewer lanes share one

struct Params {
  const void* x;
  const void* add;
  const void* w;
  void* sum;
  void* y;
  int64_t x_stride, add_stride, sum_stride, y_stride;
  int rows, norms;  // norms: rows of h in a row of the tensors; `rows` counts the former
  int h, lane_bits;
  DType w_dtype;
  NormStyle style;
  float eps;
};

// The row of h of a thread.
template <class T>
struct Row {
  const T* x;
  const T* add;
  T* sum;
  T* y;
  bool live;  // there is such a row
};

template <class T>
__device__ __forceinline__ Row<T> RowOf(const Params& p) {
  const int row = static_cast<int>(blockIdx.x * (blockDim.x >> p.lane_bits)) +
                  static_cast<int>(threadIdx.x >> p.lane_bits);
  const int outer = p.norms == 1 ? row : row / p.norms;
  const int64_t inner = int64_t{row - outer * p.norms} * p.h;
  return {static_cast<const T*>(p.x) + outer * p.x_stride + inner,
          static_cast<const T*>(p.add) + outer * p.add_stride + inner,
          static_cast<T*>(p.sum) + outer * p.sum_stride + inner,
          static_cast<T*>(p.y) + outer * p.y_stride + inner, row < p.rows};
}

// Folds the lanes of each row of the block.
__device__ __forceinline__ float FoldRow(float sum, int lanes) {
  __shared__ float folded[kMaxNormLanes / kFoldLanes];
  sum = FoldLanes(sum, min(lanes, kFoldLanes));
  if (lanes <= kFoldLanes) return sum;
  const int fold = static_cast<int>(threadIdx.x) / kFoldLanes;
  const int folds = lanes / kFoldLanes;  // of a row
  if (threadIdx.x % kFoldLanes == 0) folded[fold] = sum;
  __syncthreads();
  const int first = fold / folds * folds;
  return FoldLanes(folded[first + static_cast<int>(threadIdx.x) % folds], folds);
}

template <class T>
__device__ __forceinline__ Octet<T> Sum(const Octet<T>& a, const Octet<T>& b) {
  Octet<T> sum;
#pragma unroll
  for (int j = 0; j < kOctet; ++j) sum.at[j] = Narrow<T>(Widen(a.at[j]) + Widen(b.at[j]));
  return sum;
}

// Rows whose lanes have at most kKept whole octets, which stay in registers.
template <class T, int kKept, bool kAdds>
__global__ void __launch_bounds__(kMaxNormLanes) KeptNormKernel(Params p) {
  const Row<T> row = RowOf<T>(p);
  const int lanes = 1 << p.lane_bits;
  const int first = (static_cast<int>(threadIdx.x) & (lanes - 1)) * kOctet;
  const int step = lanes * kOctet;
  const auto has = [&](int i) { return row.live && first + i * step < p.h; };
  float w[kKept][kOctet] = {};
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    if (has(i)) LoadNumbers(p.w, p.w_dtype, first + i * step, w[i]);
  }
  LetNextStart();
  AwaitPrevious();
  Octet<T> x[kKept] = {};
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    if (has(i)) x[i] = LoadRun<T, kOctet>(row.x + first + i * step);
  }
  if constexpr (kAdds) {
    Octet<T> add[kKept] = {};
#pragma unroll
    for (int i = 0; i < kKept; ++i) {
      if (has(i)) add[i] = LoadRun<T, kOctet>(row.add + first + i * step);
    }
#pragma unroll
    for (int i = 0; i < kKept; ++i) {
      if (!has(i)) continue;
      x[i] = Sum(x[i], add[i]);
      StoreRun(row.sum + first + i * step, x[i]);
    }
  }
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kKept; ++i) sum += SquaresOf(x[i]);
  const float factor = NormFactor(FoldRow(sum, lanes), p.h, p.eps);
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    if (has(i)) StoreRun(row.y + first + i * step, Normed(p.style, x[i], factor, w[i]));
  }
}

// Rows of any length and alignment (kCount 1) or of whole octets (8), which are read twice.
template <class T, int kCount, bool kAdds>
__global__ void __launch_bounds__(kMaxNormLanes) NormKernel(Params p) {
  LetNextStart();
  AwaitPrevious();
  const Row<T> row = RowOf<T>(p);
  const int lanes = 1 << p.lane_bits;
  const int first = (static_cast<int>(threadIdx.x) & (lanes - 1)) * kOctet;
  const int end = row.live ? p.h : 0;
  const int step = lanes * kOctet;
  float sum = 0;
  for (int at = first; at < end; at += step) {
    Octet<T> x = LoadOctet<kCount>(row.x, at, p.h);
    if constexpr (kAdds) {
      x = Sum(x, LoadOctet<kCount>(row.add, at, p.h));
      StoreOctet<kCount>(row.sum, at, p.h, x);
    }
    sum += SquaresOf(x);
  }
  const float factor = NormFactor(FoldRow(sum, lanes), p.h, p.eps);
  const T* again = kAdds ? row.sum : row.x;
  for (int at = first; at < end; at += step) {
    const Octet<T> x = LoadOctet<kCount>(again, at, p.h);
    float w[kOctet] = {};
    if constexpr (kCount == kOctet) {
      LoadNumbers(p.w, p.w_dtype, at, w);
    } else {
#pragma unroll
      for (int j = 0; j < kOctet; ++j) {
        float number[1] = {0};
        if (at + j < p.h) LoadNumbers(p.w, p.w_dtype, at + j, number);
        w[j] = number[0];
      }
    }
    StoreOctet<kCount>(row.y, at, p.h, Normed(p.style, x, factor, w));
  }
}

template <class T, bool kAdds>
auto KernelFor(const NormArgs& args, int lanes) {
  const bool octets = args.h % kOctet == 0 && HasOctets<T>(args.x) && HasOctets<T>(args.y) &&
                      StartsPack(args.w.data) &&
                      (!kAdds || (HasOctets<T>(*args.add) && HasOctets<T>(*args.sum)));
  if (!octets) return NormKernel<T, 1, kAdds>;
  const int64_t each = CeilDiv(args.h, int64_t{lanes} * kOctet);
  if (each == 1) return KeptNormKernel<T, 1, kAdds>;
  if (each == 2) return KeptNormKernel<T, 2, kAdds>;
  if (each <= 4) return KeptNormKernel<T, 4, kAdds>;
  return NormKernel<T, kOctet, kAdds>;
}

void Run(const KernelCall& call) {
  const NormArgs args = ReadNorm(call);
  const bool adds = args.add != nullptr;
  const int64_t norms = args.x.width() / args.h;
  const int64_t rows = args.x.rows() * norms;
  RW_CHECK(rows <= std::numeric_limits<int>::max(), "{} rows", rows);
  const int lanes = NormLanes(args.h);
  const Params p{args.x.data,
                 adds ? args.add->data : nullptr,
                 args.w.data,
                 adds ? args.sum->data : nullptr,
                 args.y.data,
                 args.x.row_stride,
                 adds ? args.add->row_stride : 0,
                 adds ? args.sum->row_stride : 0,
                 args.y.row_stride,
                 static_cast<int>(rows),
                 static_cast<int>(norms),
                 static_cast<int>(args.h),
                 std::countr_zero(static_cast<unsigned>(lanes)),
                 args.w.dtype,
                 args.style,
                 args.eps};
  const int threads = std::max(lanes, kMinThreads);
  const auto blocks = static_cast<unsigned>(CeilDiv(rows, threads / lanes));
  WithFloatType(args.y.dtype, [&]<class T>(T) {
    Launch(QueueOf(call), adds ? KernelFor<T, true>(args, lanes) : KernelFor<T, false>(args, lanes),
           blocks, threads, 0, p);
  });
}

constexpr std::array kRows = {
    KernelRow{"rms_norm", kDevice, kProvider, AcceptsNorm, Run},
    KernelRow{"add_rms_norm", kDevice, kProvider, AcceptsAddNorm, Run},
};

}  // namespace

std::span<const KernelRow> NormRows() { return kRows; }

}  // namespace rw::gpu
