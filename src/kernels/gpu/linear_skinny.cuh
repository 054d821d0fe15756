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
#include <array>
#include <bit>

#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/linear_output.cuh"
#include "kernels/gpu/norm.cuh"
#include "kernels/scalar_math.h"

#if !defined(__HIP_PLATFORM_AMD__)

#include "kernels/cuda/mma.cuh"

namespace rw::gpu::skinny {

inline constexpr int kWarps = 8;
inline constexpr int kThreads = kWarps * kWarp;
inline constexpr int kHalf = 8;
inline constexpr int kRows = 2 * kHalf;             // of W in a tile
inline constexpr int kDepth = 64;                   // of k, for a warp at a time
inline constexpr int kLine = kDepth * 2;            // bytes
inline constexpr int kStepDepth = kDepth * kWarps;  // of k, for the block at a time: a step
inline constexpr int kSlotBytes = kRows * kLine;
// Slots of a ring; all but one are on the way. The more, the more of the weights arrive while the
// kernel before still runs: nine take 144 KB (on an H200, 8B decoding: 5 slots 4.24 ms, 7 slots
// 4.15, 9 slots 4.10), and fewer where they leave no room for x.
inline constexpr std::array kSlotChoices = {9, 6, 3};
// Of those asked for before the kernel waits, so many are on the way at a time, which is enough to
// keep memory busy: with all of them, what the kernel before still reads (parts of attention that
// join, the row of a norm) and then x would wait behind them for 4 us.
inline constexpr int kEarlySlots = 4;
constexpr int RingBytes(int slots) { return kWarps * slots * kSlotBytes; }
inline constexpr int kXGap = 32;      // elements between rows of x: half a line, against conflicts
inline constexpr int kSumPitch = 20;  // floats between tokens of a tile's sums, against conflicts
inline constexpr int kMaxParts = 3;
inline constexpr int kMaxTokens = 16;
// Floats of the sums of two tiles.
RW_HD constexpr int SumFloats(int tokens) { return 2 * kWarps * tokens * kSumPitch; }
static_assert(kMaxTokens * kRows <= kThreads, "a thread for each sum of a tile");

// One W and its bias.
struct Weights {
  const void* w;
  int64_t stride;
  const void* bias;  // null: none
  DType bias_type;
};

// A tile is two halves of 8 rows, which an output may take from different places, so that the sums
// of two rows that belong together - a pair that turns, a gate and its up - meet in one warp. A
// half has rows first, first + step, ... of a W, `count` of them; `first` is a row even of none.
struct Half {
  int part, first, step, count;
};
struct Tile {
  Half first, second;
  // Chosen member by member: what is indexed would lie in local memory.
  RW_HD Half Of(int row) const {
    const bool in_first = row < kHalf;
    return {in_first ? first.part : second.part, in_first ? first.first : second.first,
            in_first ? first.step : second.step, in_first ? first.count : second.count};
  }
};
RW_HD inline Half HalfOf(int part, int first, int step, int rows) {
  return {part, rows > 0 ? first : 0, step, rows < 0 ? 0 : (rows < kHalf ? rows : kHalf)};
}

// x is normalised on its way, where `w` is given.
struct Norm {
  const void* w;
  DType w_type;
  NormStyle style;
  float eps;
  int bytes;  // of w
};

struct Params {
  Weights weights[kMaxParts];
  Norm norm;
  const void* x;
  int64_t x_stride;
  bool packs;  // rows of x, of every W and of the norm can be read 16 bytes at a time
  int n, k, tiles, steps, slots;
  int chunk_steps;  // steps whose x is in shared memory at a time
  int x_pitch;      // elements between rows of x there
  RW_HD bool whole() const { return chunk_steps >= steps; }
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

#if defined(__CUDACC__)

// Row `row` of a tile; of rows behind a half's last, the last.
template <class T>
__device__ __forceinline__ const T* RowOf(const Params& p, const Tile& tile, int row) {
  const Half half = tile.Of(row);
  const int at = half.first + min(row % kHalf, max(half.count - 1, 0)) * half.step;
  return static_cast<const T*>(p.weights[half.part].w) + at * p.weights[half.part].stride;
}

// Eight elements of a row from k on, one by one: no alignment needed, zeros behind the end.
template <class T>
__device__ __forceinline__ uint4 Gather(const T* row, int k, int end) {
  Octet<T> octet{};
#pragma unroll
  for (int i = 0; i < kOctet; ++i) {
    if (k + i < end) {
      octet.at[i].bits = __ldcg(reinterpret_cast<const unsigned short*>(row + k + i));
    }
  }
  return std::bit_cast<uint4>(octet);
}

// A slot holds 16 rows of 8 pieces of 16 bytes. The halves of odd rows are swapped, so that the
// eight threads that read at a time (two rows, four pieces) find them in different banks.
__device__ __forceinline__ int PieceAt(int row, int piece) {
  return row * kLine + (piece ^ ((row & 1) << 2)) * 16;
}

// The weights of one warp on their way to its ring, in the order in which they are used. A copy
// takes whole lines: 8 lanes for each of 4 rows.
template <class T, bool kPacks, class Output>
class WeightStream {
 public:
  __device__ WeightStream(const Params& p, const Output& out, int warp, int lane)
      : at_(blockIdx.x), k_(warp * kDepth + lane % 8 * 8), lane_(lane) {
    FindRows(p, out);
  }
  // Starts the copies of the next step, if there is one; always one group.
  __device__ __forceinline__ void Load(const Params& p, const Output& out, std::byte* slot) {
    if (!at_.Ended(p)) {
      const int k = at_.step * kStepDepth + k_;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        std::byte* to = slot + PieceAt(4 * i + lane_ / 8, lane_ % 8);
        if constexpr (kPacks) {
          cuda::CopyAsync16(cuda::SharedAddress(to), rows_[i] + (k < p.k ? k : 0), k < p.k);
        } else {
          *reinterpret_cast<uint4*>(to) = Gather(rows_[i], k, p.k);
        }
      }
      if (++at_.step == at_.ChunkEnd(p)) {
        at_.NextTile(p, gridDim.x);
        FindRows(p, out);
      }
    }
    cuda::CommitCopies();
  }

 private:
  __device__ __forceinline__ void FindRows(const Params& p, const Output& out) {
    if (at_.Ended(p)) return;
    const Tile tile = out.TileAt(at_.tile);
#pragma unroll
    for (int i = 0; i < 4; ++i) rows_[i] = RowOf<T>(p, tile, 4 * i + lane_ / 8);
  }

  Position at_;
  int k_, lane_;
  const T* rows_[4];
};

// 8 elements of a row of x from k on, zeros behind its end. Past the L1 cache, which may hold what
// an earlier kernel found there.
template <class T, bool kPacks>
__device__ __forceinline__ uint4 LoadX(const Params& p, int row, int k) {
  const T* from = static_cast<const T*>(p.x) + row * p.x_stride;
  if (k >= p.k) return {};
  if constexpr (kPacks) return __ldcg(reinterpret_cast<const uint4*>(from + k));
  return Gather(from, k, p.k);
}

// x of the steps [begin, end) to shared memory, kBatch loads of a thread under way.
template <class T, bool kPacks, int kBatch>
__device__ __forceinline__ void StageXBy(const Params& p, int begin, int end, T* xs) {
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
      if (row < p.n) values[i] = LoadX<T, kPacks>(p, row, begin * kStepDepth + piece * 8);
      piece += kThreads;
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      if (at[i] >= 0) *reinterpret_cast<uint4*>(xs + at[i]) = values[i];
    }
  }
}

template <class T, bool kPacks>
__device__ __forceinline__ void StageX(const Params& p, int begin, int end, T* xs) {
  if (p.n > 2) return StageXBy<T, kPacks, 16>(p, begin, end, xs);
  StageXBy<T, kPacks, 8>(p, begin, end, xs);
}

// What a norm keeps in shared memory: of each row the sums of 32 lanes each, then its factor.
struct alignas(128) NormScratch {  // a multiple of what dynamic shared memory is aligned to
  float folded[kMaxTokens][kMaxNormLanes / kFoldLanes];
  float factors[kMaxTokens];
};

// What each row is multiplied by to be normalised, in the order of norm.cuh. `load` gives the octet
// at an element of a row.
template <class T, class Load>
__device__ __forceinline__ void FindFactors(const Params& p, const Load& load,
                                            NormScratch& scratch) {
  const int lanes = NormLanes(p.k), groups = kThreads / lanes;
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  for (int first = 0; first < p.n; first += groups) {
    const int row = first + static_cast<int>(threadIdx.x) / lanes;
    float sum = 0;
    for (int at = lane * kOctet; row < p.n && at < p.k; at += lanes * kOctet) {
      sum += SquaresOf(std::bit_cast<Octet<T>>(load(row, at)));
    }
    sum = FoldLanes(sum, min(lanes, kFoldLanes));
    if (row < p.n && lane % kFoldLanes == 0) scratch.folded[row][lane / kFoldLanes] = sum;
  }
  __syncthreads();
  if (threadIdx.x < p.n) {
    float* sums = scratch.folded[threadIdx.x];
    for (int width = lanes / kFoldLanes / 2; width > 0; width /= 2) {
      for (int i = 0; i < width; ++i) sums[i] += sums[i + width];
    }
    scratch.factors[threadIdx.x] = NormFactor(sums[0], p.k, p.norm.eps);
  }
  __syncthreads();
}

// Starts copies of the norm's weights, which wait for nobody.
__device__ __forceinline__ void StageNorm(const Params& p, std::byte* to) {
  const auto* from = static_cast<const std::byte*>(p.norm.w);
  for (int at = static_cast<int>(threadIdx.x) * 16; at < p.norm.bytes; at += kThreads * 16) {
    cuda::CopyAsync16(cuda::SharedAddress(to + at), from + at, true);
  }
}

// Normalises what StageX brought; norm_w is what StageNorm brought.
template <class T, bool kPacks>
__device__ __forceinline__ void NormaliseX(const Params& p, int begin, int end, T* xs,
                                           const void* norm_w, const float* factors) {
  const int first = begin * kStepDepth;
  const int stop = min(end * kStepDepth, p.k);
  for (int at = first + static_cast<int>(threadIdx.x) * kOctet; at < stop;
       at += kThreads * kOctet) {
    float w[kOctet];
    if constexpr (kPacks) {
      LoadNumbers(norm_w, p.norm.w_type, at, w);
    } else {
#pragma unroll
      for (int j = 0; j < kOctet; ++j) {
        w[j] = at + j < p.k ? LoadFloat(p.norm.w, p.norm.w_type, at + j) : 0.0f;
      }
    }
    for (int row = 0; row < p.n; ++row) {
      auto* octet = reinterpret_cast<Octet<T>*>(xs + row * p.x_pitch + (at - first));
      *octet = Normed(p.norm.style, *octet, factors[row], w);
    }
  }
}

// x of the steps [begin, end), normalised if it has to be, to shared memory. Ends with the block's
// threads together.
template <class T, bool kPacks, bool kNorms, int kSlots>
__device__ __forceinline__ void PrepareX(const Params& p, int begin, int end, T* xs,
                                         const void* norm_w, NormScratch& scratch) {
  StageX<T, kPacks>(p, begin, end, xs);
  if constexpr (kNorms) cuda::WaitForCopies<kSlots - 2>();  // the first, with what StageNorm began
  __syncthreads();
  if constexpr (!kNorms) return;
  if (p.whole()) {
    FindFactors<T>(
        p, [&](int row, int at) { return *reinterpret_cast<uint4*>(xs + row * p.x_pitch + at); },
        scratch);
  } else if (begin == 0) {
    FindFactors<T>(
        p, [&](int row, int at) { return LoadX<T, kPacks>(p, row, at); }, scratch);
  }
  NormaliseX<T, kPacks>(p, begin, end, xs, norm_w, scratch.factors);
  __syncthreads();
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

// The sum of a tile that is this thread's in the end.
struct Place {
  int token, part, row, half;
  bool real;  // there is such a row
};
__device__ __forceinline__ Place PlaceOf(const Tile& tile) {
  const int i = static_cast<int>(threadIdx.x) % kRows;
  const Half half = tile.Of(i);
  const bool real = i % kHalf < half.count;
  return {static_cast<int>(threadIdx.x) / kRows, half.part,
          half.first + (real ? i % kHalf * half.step : 0), i / kHalf, real};
}

// Adds the warps' sums of a tile and hands them to the output. `partial` is not written again
// before the block has met once more.
template <class T, int kCount, class Output>
__device__ __forceinline__ void Finish(const Params& p, const Output& out,
                                       const typename Output::Held& held, const Tile& tile,
                                       const Sums<kCount>& sums, float* partial) {
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int g = lane / 4, t = lane % 4;
  const int warp_pitch = p.n * kSumPitch;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int column = i * 8 + 2 * t + j;
      if (column < p.n) {
        float* to = partial + warp * warp_pitch + column * kSumPitch;
        to[g] = sums.c[i][j];
        to[g + 8] = sums.c[i][2 + j];
      }
    }
  }
  __syncthreads();
  const Place place = PlaceOf(tile);
  const bool live = place.token < p.n;
  float sum = 0;
  if (live) {
    const float* from = partial + place.token * kSumPitch + threadIdx.x % kRows;
    sum = from[0];
#pragma unroll
    for (int w = 1; w < kWarps; ++w) sum += from[w * warp_pitch];
  }
  const Weights& weights = p.weights[place.part];
  if (live && weights.bias != nullptr) {
    sum += LoadFloat(weights.bias, weights.bias_type, place.row);
  }
  const float partner = ShuffleXor(sum, kHalf);
  if (live && place.real) out.template Store<T>(place, held, sum, partner);
}

// An Output says what becomes of the sums:
//   TileAt(number)           the rows of a tile
//   Hold<T>(place)           what Store will need, asked for before the sum is computed
//   Store<T>(place, held, sum, partner)
//                            takes the sum at a place, bias included; partner: the sum of the same
//                            row of the tile's other half
template <class T, bool kPacks, bool kNorms, int kCount, int kSlots, class Output>
__global__ void __launch_bounds__(kThreads)
    Kernel(const __grid_constant__ Params p, const __grid_constant__ Output out) {
  extern __shared__ __align__(128) std::byte shared[];
  __shared__ NormScratch norm_scratch;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  std::byte* ring = shared + warp * kSlots * kSlotBytes;
  T* xs = reinterpret_cast<T*>(shared + RingBytes(kSlots));
  float* partial = reinterpret_cast<float*>(xs + p.n * p.x_pitch);

  WeightStream<T, kPacks, Output> weights(p, out, warp, lane);
  std::byte* norm_w = reinterpret_cast<std::byte*>(partial + SumFloats(p.n));
  if constexpr (kPacks && kNorms) StageNorm(p, norm_w);  // part of the first group of copies
  for (int i = 0; i + 1 < kSlots; ++i) {
    if (i >= kEarlySlots) cuda::WaitForCopies<kEarlySlots - 1>();
    weights.Load(p, out, ring + i * kSlotBytes);
  }
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
    if (!staged || (!p.whole() && at.tile == at.pair)) {
      __syncthreads();
      PrepareX<T, kPacks, kNorms, kSlots>(p, at.chunk, end, xs, norm_w, norm_scratch);
      staged = true;
    }
    const Tile tile = out.TileAt(at.tile);
    typename Output::Held held{};
    if (const Place place = PlaceOf(tile); end == p.steps && place.real && place.token < p.n) {
      held = out.template Hold<T>(place);
    }
    for (int step = at.chunk; step < end; ++step) {
      cuda::WaitForCopies<kSlots - 2>();
      __syncwarp();  // what the other lanes copied is there, and they are done with the freed slot
      weights.Load(p, out, ring + freed * kSlotBytes);
      Multiply(ring + slot * kSlotBytes, x, (step - at.chunk) * kStepDepth, lane, sums);
      freed = slot;
      slot = slot + 1 == kSlots ? 0 : slot + 1;
    }
    if (end == p.steps) {
      Finish<T>(p, out, held, tile, sums, partial + (odd ? SumFloats(p.n) / 2 : 0));
      sums = {};
      odd = !odd;
    }
    if (at.HasSecond(p, gridDim.x)) std::swap(sums, other);
  }
}

#endif

}  // namespace rw::gpu::skinny

#endif
