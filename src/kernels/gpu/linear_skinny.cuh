// Products of 16-bit x and W for few tokens, at the speed at which weights can be read.
//
// A block stays on its multiprocessor and takes tiles of 16 rows of W, one after the other. The
// warps divide k: of each 512 elements a warp takes 64, which is a line of 128 bytes of each row.
// Weights come through a ring in shared memory that belongs to the warp, so that a warp waits for
// its own copies only and tens of kilobytes are always on the way; the first are asked for before
// the kernel waits for the one before it. The sum over k is that of eight chains, one for each
// warp, added in the order of the warps: it depends on k alone, and columns of an mma do not see
// each other, so a token's bits depend on nothing but the token.
//
// The order of k inside an mma is free as long as both operands keep it. A thread loads 8
// neighbours of k in one access and uses them as its elements of two mma.
#pragma once

#include <algorithm>

#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/linear_output.cuh"
#include "kernels/scalar_math.h"

#if !defined(__HIP_PLATFORM_AMD__)

#include "kernels/cuda/mma.cuh"

namespace rw::gpu::skinny {

inline constexpr int kWarps = 8;
inline constexpr int kThreads = kWarps * kWarp;
inline constexpr int kRows = 16;                    // of W in a tile
inline constexpr int kDepth = 64;                   // of k, for a warp at a time
inline constexpr int kLine = kDepth * 2;            // bytes
inline constexpr int kStepDepth = kDepth * kWarps;  // of k, for the block at a time: a step
inline constexpr int kSlotBytes = kRows * kLine;
// Slots of a ring; all but one are on the way. The more, the more of the weights arrive while the
// kernel before still runs: nine take 144 KB (on an H200, 8B decoding: 5 slots 4.24 ms, 7 slots
// 4.15, 9 slots 4.10), and five fit where a block may have less.
inline constexpr int kManySlots = 9;
inline constexpr int kFewSlots = 5;
constexpr int RingBytes(int slots) { return kWarps * slots * kSlotBytes; }
inline constexpr int kXGap = 32;      // elements between rows of x: half a line, against conflicts
inline constexpr int kSumPitch = 20;  // floats between tokens of a tile's sums, against conflicts
inline constexpr int kMaxParts = 3;
inline constexpr int kMaxTokens = 16;
static_assert(kMaxTokens * kRows <= kThreads, "a thread for each sum of a tile");

// One W, whose tiles are first_tile and those after it.
struct Part {
  const void* w;
  int64_t w_stride;
  int m, first_tile;
  LinearOutput out;
};

struct Params {
  Part parts[kMaxParts];
  int part_count, tiles;
  const void* x;
  int64_t x_stride;
  bool x_packs;  // rows of x can be read 16 bytes at a time
  int n, k, steps;
  int chunk_steps;  // steps whose x is in shared memory at a time
  int x_pitch;      // elements between rows of x there
};

// Where a block stands. Its tiles are blockIdx.x, blockIdx.x + gridDim.x and so on. If shared
// memory does not take all of x, two tiles together go through k in chunks.
struct Position {
  int pair;  // first tile of the two
  int tile;
  int chunk;  // its first step
  int step;

  RW_HD explicit Position(int first) : pair(first), tile(first), chunk(0), step(0) {}
  RW_HD bool Ended(const Params& p) const { return pair >= p.tiles; }
  RW_HD bool HasSecond(const Params& p, int grid) const { return pair + grid < p.tiles; }
  RW_HD int ChunkEnd(const Params& p) const {
    return chunk + p.chunk_steps < p.steps ? chunk + p.chunk_steps : p.steps;
  }
  RW_HD void NextTile(const Params& p, int grid) {
    if (tile == pair && HasSecond(p, grid)) {
      tile += grid;
    } else {
      chunk += p.chunk_steps;
      if (chunk >= p.steps) {
        chunk = 0;
        pair += 2 * grid;
      }
      tile = pair;
    }
    step = chunk;
  }
};

RW_HD inline const Part& PartOf(const Params& p, int tile) {
  int i = 0;
  while (i + 1 < p.part_count && tile >= p.parts[i + 1].first_tile) ++i;
  return p.parts[i];
}

#if defined(__CUDACC__)

// Row `row` of a tile; of rows behind the last, the last.
template <class T>
__device__ __forceinline__ const T* RowOf(const Part& part, int tile, int row) {
  const int at = min((tile - part.first_tile) * kRows + row, part.m - 1);
  return static_cast<const T*>(part.w) + at * part.w_stride;
}

// A slot holds 16 rows of 8 pieces of 16 bytes. The halves of odd rows are swapped, so that the
// eight threads that read at a time (two rows, four pieces) find them in different banks.
__device__ __forceinline__ int PieceAt(int row, int piece) {
  return row * kLine + (piece ^ ((row & 1) << 2)) * 16;
}

// The weights of one warp on their way to its ring, in the order in which they are used. A copy
// takes whole lines: 8 lanes for each of 4 rows.
template <class T>
class WeightStream {
 public:
  __device__ WeightStream(const Params& p, int warp, int lane)
      : at_(blockIdx.x), k_(warp * kDepth + lane % 8 * 8), lane_(lane) {
    FindRows(p);
  }
  // Starts the copies of the next step, if there is one; always one group.
  __device__ __forceinline__ void Load(const Params& p, std::byte* slot) {
    if (!at_.Ended(p)) {
      const int k = at_.step * kStepDepth + k_;
      const bool reads = k < p.k;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        cuda::CopyAsync16(cuda::SharedAddress(slot + PieceAt(4 * i + lane_ / 8, lane_ % 8)),
                          rows_[i] + (reads ? k : 0), reads);
      }
      if (++at_.step == at_.ChunkEnd(p)) {
        at_.NextTile(p, gridDim.x);
        FindRows(p);
      }
    }
    cuda::CommitCopies();
  }

 private:
  __device__ __forceinline__ void FindRows(const Params& p) {
    if (at_.Ended(p)) return;
    const Part& part = PartOf(p, at_.tile);
#pragma unroll
    for (int i = 0; i < 4; ++i) rows_[i] = RowOf<T>(part, at_.tile, 4 * i + lane_ / 8);
  }

  Position at_;
  int k_, lane_;
  const T* rows_[4];
};

// 8 elements of a row of x from k on, zeros behind its end. Past the L1 cache, which may hold what
// an earlier kernel found there.
template <class T>
__device__ __forceinline__ uint4 LoadX(const Params& p, int row, int k) {
  const T* from = static_cast<const T*>(p.x) + row * p.x_stride + k;
  if (k >= p.k) return {};
  if (p.x_packs) return __ldcg(reinterpret_cast<const uint4*>(from));
  Pack<T, 8> pack;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    pack.at[i].bits = __ldcg(reinterpret_cast<const unsigned short*>(from + i));
  }
  return reinterpret_cast<const uint4&>(pack);
}

// x of the steps [begin, end) to shared memory.
template <class T>
__device__ __forceinline__ void StageX(const Params& p, int begin, int end, T* xs) {
  constexpr int kBatch = 8;                             // loads under way
  const int pieces = (end - begin) * (kStepDepth / 8);  // of a row
  int row = 0;
  int piece = threadIdx.x;
  while (row < p.n) {
    uint4 values[kBatch];
    int at[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      while (piece >= pieces) piece -= pieces, ++row;
      at[i] = row < p.n ? row * p.x_pitch + piece * 8 : -1;
      if (row < p.n) values[i] = LoadX<T>(p, row, begin * kStepDepth + piece * 8);
      piece += kThreads;
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      if (at[i] >= 0) *reinterpret_cast<uint4*>(xs + at[i]) = values[i];
    }
  }
}

// The sums of a tile that one thread holds: of kCount times 8 tokens, as Mma lays them.
template <int kCount>
struct Sums {
  float c[kCount][4];
};

// Adds what stands in a slot. x points to this thread's elements of each 8 tokens.
template <class T, int kCount>
__device__ __forceinline__ void Multiply(const std::byte* slot, const T* const (&x)[kCount], int k,
                                         int lane, Sums<kCount>& sums) {
  const int g = lane / 4, t = lane % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const auto low = *reinterpret_cast<const uint4*>(slot + PieceAt(g, half * 4 + t));
    const auto high = *reinterpret_cast<const uint4*>(slot + PieceAt(g + 8, half * 4 + t));
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const auto b = *reinterpret_cast<const uint4*>(x[i] + k + half * 32);
      cuda::Mma<T>(sums.c[i], {low.x, high.x, low.y, high.y}, b.x, b.y);
      cuda::Mma<T>(sums.c[i], {low.z, high.z, low.w, high.w}, b.z, b.w);
    }
  }
}

// Adds the warps' sums of a tile and stores the result. `partial` is not written again before the
// block has met once more.
template <int kCount>
__device__ __forceinline__ void Finish(const Params& p, int tile, const Sums<kCount>& sums,
                                       float* partial) {
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int g = lane / 4, t = lane % 4;
  const int warp_pitch = p.n * kSumPitch;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int token = i * 8 + 2 * t + j;
      if (token < p.n) {
        float* to = partial + warp * warp_pitch + token * kSumPitch;
        to[g] = sums.c[i][j];
        to[g + 8] = sums.c[i][2 + j];
      }
    }
  }
  __syncthreads();
  const int token = threadIdx.x / kRows, row = threadIdx.x % kRows;
  if (token >= p.n) return;
  float sum = partial[token * kSumPitch + row];
#pragma unroll
  for (int w = 1; w < kWarps; ++w) sum += partial[w * warp_pitch + token * kSumPitch + row];
  const Part& part = PartOf(p, tile);
  const int at = (tile - part.first_tile) * kRows + row;
  if (at < part.m) StoreSum(part.out, token, at, sum);
}

template <class T, int kCount, int kSlots>
__global__ void __launch_bounds__(kThreads) Kernel(const __grid_constant__ Params p) {
  extern __shared__ __align__(128) std::byte shared[];
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  std::byte* ring = shared + warp * kSlots * kSlotBytes;
  T* xs = reinterpret_cast<T*>(shared + RingBytes(kSlots));
  float* partial = reinterpret_cast<float*>(xs + p.n * p.x_pitch);

  WeightStream<T> weights(p, warp, lane);
  for (int i = 0; i + 1 < kSlots; ++i) weights.Load(p, ring + i * kSlotBytes);
  WaitForPrevious();

  const T* x[kCount];  // tokens that are not there are the last one's, and their sums are dropped
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    x[i] = xs + min(i * 8 + lane / 4, p.n - 1) * p.x_pitch + warp * kDepth + lane % 4 * 8;
  }
  Sums<kCount> sums{}, other{};  // of the tile at hand and of the other one of the pair
  bool staged = false, odd = false;
  int slot = 0, freed = kSlots - 1;
  for (Position at(blockIdx.x); !at.Ended(p); at.NextTile(p, gridDim.x)) {
    const int end = at.ChunkEnd(p);
    if (!staged || (p.chunk_steps < p.steps && at.tile == at.pair)) {
      __syncthreads();
      StageX(p, at.chunk, end, xs);
      __syncthreads();
      staged = true;
    }
    for (int step = at.chunk; step < end; ++step) {
      cuda::WaitForCopies<kSlots - 2>();
      __syncwarp();  // what the other lanes copied is there, and they are done with the freed slot
      weights.Load(p, ring + freed * kSlotBytes);
      Multiply(ring + slot * kSlotBytes, x, (step - at.chunk) * kStepDepth, lane, sums);
      freed = slot;
      slot = slot + 1 == kSlots ? 0 : slot + 1;
    }
    if (end == p.steps) {
      Finish(p, at.tile, sums, partial + (odd ? kWarps * p.n * kSumPitch : 0));
      sums = {};
      odd = !odd;
    }
    if (at.HasSecond(p, gridDim.x)) std::swap(sums, other);
  }
}

#endif

}  // namespace rw::gpu::skinny

#endif
