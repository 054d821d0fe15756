// Ops that take whole rows: embed, gather_rows, kv_write.
#include <array>
#include <limits>
#include <type_traits>

#include "kernels/args.h"
#include "kernels/gpu/gpu.h"
#include "kernels/gpu/kv.cuh"
#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/octet.cuh"

namespace rw::gpu {
namespace {

constexpr int kThreads = 256;

// A row lies in blocks (row, 0), (row, 1), ...: one thread for each run of its elements.
dim3 GridOf(int64_t rows, int64_t runs) {
  return dim3(static_cast<unsigned>(rows), static_cast<unsigned>(CeilDiv(runs, kThreads)));
}
__device__ __forceinline__ int64_t RunOf() { return int64_t{blockIdx.y} * kThreads + threadIdx.x; }

struct CopyParams {
  const void* x;
  const int32_t* index;
  void* y;
  int64_t x_rows, runs;  // runs of a row
  int64_t x_stride, y_stride;
};

// y[i] = x[index[i]]. An index of no row gives NaN, which shows.
template <class From, class To, int kCount>
__global__ void __launch_bounds__(kThreads) CopyRowsKernel(CopyParams p) {
  WaitForPrevious();
  const int64_t run = RunOf();
  if (run >= p.runs) return;
  const int64_t row = blockIdx.x;
  const int64_t from = p.index[row];
  Pack<To, kCount> y;
  if (from < 0 || from >= p.x_rows) {
#pragma unroll
    for (int j = 0; j < kCount; ++j) y.at[j] = Narrow<To>(std::numeric_limits<float>::quiet_NaN());
  } else {
    const auto x =
        LoadRun<From, kCount>(static_cast<const From*>(p.x) + from * p.x_stride + run * kCount);
    if constexpr (std::is_same_v<From, To>) {
      y = x;
    } else {
#pragma unroll
      for (int j = 0; j < kCount; ++j) y.at[j] = Narrow<To>(Widen(x.at[j]));
    }
  }
  StoreRun(static_cast<To*>(p.y) + row * p.y_stride + run * kCount, y);
}

template <class From, class To>
void StartCopy(const KernelCall& call, const TensorView& x, const TensorView& index,
               const TensorView& y) {
  CopyParams p{x.data,      index.row<const int32_t>(0), y.data, x.rows(), y.width(), x.row_stride,
               y.row_stride};
  if (!HasOctets<From>(x) || !HasOctets<To>(y)) {
    return Launch(QueueOf(call), CopyRowsKernel<From, To, 1>, GridOf(y.rows(), p.runs), kThreads, 0,
                  p);
  }
  p.runs /= kOctet;
  Launch(QueueOf(call), CopyRowsKernel<From, To, kOctet>, GridOf(y.rows(), p.runs), kThreads, 0, p);
}

void RunEmbed(const KernelCall& call) {
  const EmbedArgs args = ReadEmbed(call);
  WithFloatType(args.w.dtype, [&]<class From>(From) {
    WithFloatType(args.y.dtype,
                  [&]<class To>(To) { StartCopy<From, To>(call, args.w, args.ids, args.y); });
  });
}
void RunGatherRows(const KernelCall& call) {
  const GatherRowsArgs args = ReadGatherRows(call);
  WithFloatType(args.y.dtype,
                [&]<class T>(T) { StartCopy<T, T>(call, args.x, args.rows, args.y); });
}

struct KvParams {
  const void* k;
  const void* v;
  const int32_t* slot;
  KvLayerView kv;
  int runs, head_runs;  // runs of a row and of a head
  int64_t k_stride, v_stride;
};

template <class T, int kCount>
__global__ void __launch_bounds__(kThreads) KvWriteKernel(KvParams p) {
  WaitForPrevious();
  const auto run = static_cast<int>(RunOf());
  if (run >= p.runs) return;
  const int64_t row = blockIdx.x;
  const int64_t slot = p.slot[row];
  const auto k = LoadRun<T, kCount>(static_cast<const T*>(p.k) + row * p.k_stride + run * kCount);
  const auto v = LoadRun<T, kCount>(static_cast<const T*>(p.v) + row * p.v_stride + run * kCount);
  if (!HasSlot(p.kv, slot)) return;
  const int head = run / p.head_runs;
  const int64_t at =
      SlotOffset(p.kv, slot) + head * p.kv.head_stride + (run - head * p.head_runs) * kCount;
  StoreCache(p.kv.dtype, p.kv.k, at, k, ScaleOf(p.kv.k_scale, head));
  StoreCache(p.kv.dtype, p.kv.v, at, v, ScaleOf(p.kv.v_scale, head));
}

void RunKvWrite(const KernelCall& call) {
  const KvWriteArgs args = ReadKvWrite(call);
  WithFloatType(args.k.dtype, [&]<class T>(T) {
    const bool octets = HasOctets<T>(args.k) && HasOctets<T>(args.v) && CacheHasOctets(args.kv);
    const int count = octets ? kOctet : 1;
    const KvParams p{args.k.data,
                     args.v.data,
                     args.slot.row<const int32_t>(0),
                     args.kv,
                     static_cast<int>(args.k.width()) / count,
                     static_cast<int>(args.kv.head_dim) / count,
                     args.k.row_stride,
                     args.v.row_stride};
    Launch(QueueOf(call), octets ? KvWriteKernel<T, kOctet> : KvWriteKernel<T, 1>,
           GridOf(args.k.rows(), p.runs), kThreads, 0, p);
  });
}

constexpr std::array kRows = {
    KernelRow{"embed", kDevice, kProvider, AcceptsEmbed, RunEmbed},
    KernelRow{"gather_rows", kDevice, kProvider, AcceptsGatherRows, RunGatherRows},
    KernelRow{"kv_write", kDevice, kProvider, AcceptsKvWrite, RunKvWrite},
};

}  // namespace

std::span<const KernelRow> RowOpRows() { return kRows; }

}  // namespace rw::gpu
