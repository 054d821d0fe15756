// Rows that several blocks share: block (row, part) takes the part-th run of elements of a row, and
// the blocks of a row meet to learn what the others found.
//
// Waiting for other blocks needs all blocks of a row on the device at the same time. They are, if
// the whole grid fits at once: earlier kernels end without this one, and the kernel behind it
// starts only when all blocks of this one have started (launch.cuh). RowParts sees to it.
#pragma once

#include <algorithm>

#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/types.cuh"

namespace rw::gpu {

inline constexpr int kRowThreads = 256;           // of a block
inline constexpr int kMaxRowParts = kRowThreads;  // a thread for what each block found
inline constexpr int kRowBlocksOfProcessor = 4;   // most that run there at once

struct RowParts {
  const void* x;
  int64_t stride;       // of rows
  int runs, part_runs;  // runs of a row, and of the part that one block takes
  uint32_t* counters;   // of each row
};

// What another block wrote before a meeting.
template <class T>
__device__ __forceinline__ T Fresh(const T& at) {
  return *static_cast<const volatile T*>(&at);
}

// Elements of a row that one thread reads at once.
template <int kCount>
struct Run {
  float at[kCount];
};

template <class T, int kCount>
class RowPart {
 public:
  __device__ __forceinline__ explicit RowPart(const RowParts& p)
      : x_(static_cast<const T*>(p.x) + blockIdx.x * p.stride),
        runs_(p.runs),
        part_runs_(p.part_runs),
        counter_(p.counters + blockIdx.x) {}

  __device__ __forceinline__ int parts() const { return static_cast<int>(gridDim.y); }
  __device__ __forceinline__ int part() const { return static_cast<int>(blockIdx.y); }
  __device__ __forceinline__ bool alone() const { return gridDim.y == 1; }

  // fn(numbers, index of the first) for each run of the part that is this thread's, in their order.
  template <int kUnroll, class Fn>
  __device__ __forceinline__ void ForEach(const Fn& fn) const {
    const int end = End(part());
#pragma unroll kUnroll
    for (int run = Begin(part()) + static_cast<int>(threadIdx.x); run < end; run += kRowThreads) {
      fn(Widened(Load(run)), run * kCount);
    }
  }
  // fn(numbers, index of the block's first, whether this thread has numbers) for a run of each
  // thread after the other, through any part of the row in order, until fn returns true.
  template <class Fn>
  __device__ __forceinline__ void Walk(int part, const Fn& fn) const {
    const int end = End(part);
    const auto load = [&](int run) { return run < end ? Load(run) : Pack<T, kCount>{}; };
    int run = Begin(part) + static_cast<int>(threadIdx.x);
    Pack<T, kCount> next = load(run);
    for (int first = Begin(part); first < end; first += kRowThreads, run += kRowThreads) {
      const auto x = Widened(next);
      next = load(run + kRowThreads);
      if (fn(x, first * kCount, run < end)) return;
    }
  }

  // Comes to the next meeting. Whether all others have come too: what they wrote is seen then.
  __device__ __forceinline__ bool Arrive() {
    if (alone()) return true;
    __shared__ bool is_last;
    ++meetings_;
    __syncthreads();
    if (threadIdx.x == 0) {
      __threadfence();
      is_last = atomicAdd(counter_, 1u) + 1 == meetings_ * gridDim.y;
      __threadfence();
    }
    __syncthreads();
    return is_last;
  }
  // Comes to the next meeting and waits for all others.
  __device__ __forceinline__ void Meet() {
    if (Arrive()) return;
    if (threadIdx.x == 0) {
      while (Fresh(*counter_) < meetings_ * gridDim.y) {
      }
      __threadfence();
    }
    __syncthreads();
  }
  // For the next launch; the last block to arrive at the last meeting calls it.
  __device__ __forceinline__ void Leave() const {
    if (!alone() && threadIdx.x == 0) *counter_ = 0;
  }

 private:
  __device__ __forceinline__ int Begin(int part) const { return part * part_runs_; }
  __device__ __forceinline__ int End(int part) const {
    return min(Begin(part) + part_runs_, runs_);
  }
  __device__ __forceinline__ Pack<T, kCount> Load(int run) const {
    return LoadPack<T, kCount>(x_ + int64_t{run} * kCount);
  }
  __device__ __forceinline__ static Run<kCount> Widened(const Pack<T, kCount>& x) {
    Run<kCount> run;
#pragma unroll
    for (int j = 0; j < kCount; ++j) run.at[j] = Widen(x.at[j]);
    return run;
  }

  const T* x_;
  int runs_, part_runs_;
  uint32_t* counter_;
  unsigned meetings_ = 0;
};

// Blocks for each row: as many as have a run for each thread, while all rows together have no more
// than the device holds at once. `board_bytes` of scratch for each row that is shared.
inline int64_t PartsOfRow(const Queue& queue, int resident, int64_t rows, int64_t runs,
                          int64_t board_bytes) {
  const int64_t at_once =
      int64_t{std::min(resident, kRowBlocksOfProcessor)} * queue.multiprocessors;
  const int64_t parts = std::min(at_once / std::max<int64_t>(rows, 1), CeilDiv(runs, kRowThreads));
  if (rows > Queue::kCounters || rows * board_bytes > queue.scratch_bytes) return 1;
  return std::clamp<int64_t>(parts, 1, kMaxRowParts);
}

}  // namespace rw::gpu
