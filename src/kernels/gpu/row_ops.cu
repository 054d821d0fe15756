// Ops that take whole rows: embed, gather_rows, argmax, kv_write.
#include <algorithm>
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

// The largest number seen and where; index -1: none.
struct Best {
  float value;
  int index;
};
__device__ __forceinline__ Best None() { return {-std::numeric_limits<float>::infinity(), -1}; }

__device__ __forceinline__ Best Better(Best a, Best b) {
  return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}
__device__ __forceinline__ Best BestOfWarp(Best best) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    best = Better(best, {ShuffleXor(best.value, mask), ShuffleXor(best.index, mask)});
  }
  return best;
}
// Of all threads of the block, in the threads of its first warp.
__device__ __forceinline__ Best BestOfBlock(Best best) {
  constexpr int kWarps = kThreads / kWarp;
  __shared__ Best of_warp[kWarps];
  best = BestOfWarp(best);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = best;
  __syncthreads();
  return BestOfWarp(threadIdx.x < kWarps ? of_warp[threadIdx.x] : None());
}

struct ArgmaxParams {
  const void* x;
  int32_t* y;
  int64_t x_stride;
  int runs, part_runs;  // runs of a row, and of the part that one block takes
  Best* parts;          // [rows, parts]
  uint32_t* counters;   // of each row: its blocks that are done
};

// The best of the part's runs. NaN and infinities never win.
template <class T, int kCount>
__device__ __forceinline__ Best BestOfPart(const ArgmaxParams& p) {
  const T* row = static_cast<const T*>(p.x) + blockIdx.x * p.x_stride;
  const int begin = static_cast<int>(blockIdx.y) * p.part_runs;
  const int end = min(begin + p.part_runs, p.runs);
  Best best = None();
#pragma unroll 4
  for (int run = begin + static_cast<int>(threadIdx.x); run < end; run += kThreads) {
    const auto x = LoadPack<T, kCount>(row + int64_t{run} * kCount);
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const float value = Widen(x.at[j]);
      if (value > best.value && value < std::numeric_limits<float>::infinity()) {
        best = {value, run * kCount + j};
      }
    }
  }
  return best;
}

// Blocks (row, 0), (row, 1), ... share a row; the last of them to finish joins what all found. It
// is known by the row's counter, which atomicInc turns back to zero for the next launch as the last
// block counts itself. The order of the blocks does not matter: equals go to the lower index.
template <class T, int kCount>
__global__ void __launch_bounds__(kThreads) ArgmaxKernel(ArgmaxParams p) {
  WaitForPrevious();
  __shared__ bool is_last;
  Best best = BestOfBlock(BestOfPart<T, kCount>(p));
  const unsigned parts = gridDim.y;
  if (parts > 1) {
    volatile Best* found = p.parts + int64_t{blockIdx.x} * parts;
    if (threadIdx.x == 0) {
      found[blockIdx.y].value = best.value;
      found[blockIdx.y].index = best.index;
      __threadfence();
      is_last = atomicInc(p.counters + blockIdx.x, parts - 1) == parts - 1;
    }
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    best = None();
    for (unsigned i = threadIdx.x; i < parts; i += kThreads) {
      best = Better(best, {found[i].value, found[i].index});
    }
    best = BestOfBlock(best);
  }
  if (threadIdx.x == 0) p.y[blockIdx.x] = best.index;
}

// Blocks for each row: as many as have a run for each thread, while all rows together have about as
// many as the device holds at once.
int64_t PartsOf(const Queue& queue, int64_t rows, int64_t runs) {
  constexpr int64_t kBlocksOfProcessor = 4;
  const int64_t parts =
      std::clamp<int64_t>(kBlocksOfProcessor * queue.multiprocessors / std::max<int64_t>(rows, 1),
                          1, std::max<int64_t>(CeilDiv(runs, kThreads), 1));
  const int64_t bytes = rows * parts * static_cast<int64_t>(sizeof(Best));
  return rows <= Queue::kCounters && bytes <= queue.scratch_bytes ? parts : 1;
}

void RunArgmax(const KernelCall& call) {
  const ArgmaxArgs args = ReadArgmax(call);
  const Queue& queue = QueueOf(call);
  WithFloatType(args.x.dtype, [&]<class T>(T) {
    const bool packs = Packs<T, kPack<T>>(args.x);
    const int64_t rows = args.x.rows();
    const int64_t runs = args.x.width() / (packs ? kPack<T> : 1);
    const int64_t part_runs = CeilDiv(runs, PartsOf(queue, rows, runs));
    const ArgmaxParams p{args.x.data,
                         args.y.row<int32_t>(0),
                         args.x.row_stride,
                         static_cast<int>(runs),
                         static_cast<int>(part_runs),
                         reinterpret_cast<Best*>(queue.scratch),
                         queue.counters};
    const dim3 grid(static_cast<unsigned>(rows),
                    static_cast<unsigned>(part_runs == 0 ? 1 : CeilDiv(runs, part_runs)));
    Launch(queue, packs ? ArgmaxKernel<T, kPack<T>> : ArgmaxKernel<T, 1>, grid, kThreads, 0, p);
  });
}

constexpr std::array kRows = {
    KernelRow{"embed", kDevice, kProvider, AcceptsEmbed, RunEmbed},
    KernelRow{"gather_rows", kDevice, kProvider, AcceptsGatherRows, RunGatherRows},
    KernelRow{"argmax", kDevice, kProvider, AcceptsArgmax, RunArgmax},
    KernelRow{"kv_write", kDevice, kProvider, AcceptsKvWrite, RunKvWrite},
};

}  // namespace

std::span<const KernelRow> RowOpRows() { return kRows; }

}  // namespace rw::gpu
