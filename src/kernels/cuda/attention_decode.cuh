// Decode attention on tensor cores: sequences with one new query.
//
// A block computes one part of a sequence (gpu/attention.h) for the query heads of one kv head; a
// cluster of blocks adds the parts up. It starts while the kernel before it runs, which may be the
// one that writes the newest position: the first pages are copied without that position, which
// follows after the wait. Each warp takes a page of 16 keys at a time by itself, every
// kDecodeWarps-th of the part, with its next page on the way, and the warps meet only at the end.
// Keys are the rows of the products and queries the columns, of which there are 8 or 16:
//   scores[key, query] = k[key, d] q[query, d]^T;  sums[d, query] += v[key, d]^T weights[key,
//   query]
// Weights are rounded to the type of the values before the second product, which adds half an ulp
// of that type to each; their sum is of the unrounded ones.
#pragma once

#include "kernels/cuda/attention_mma.cuh"
#include "kernels/gpu/attention_parts.cuh"

namespace rw::cuda {

inline constexpr int kDecodeWarps = 4;
inline constexpr int kDecodeThreads = kDecodeWarps * 32;
inline constexpr int kDecodeStages = 2;  // pages of a warp in shared memory

struct Exp2Fn {
  __device__ static float Of(float x) { return Exp2(x); }
};

// Four elements of a query's weighted sum, relative to 2^max, and the weight that they have.
struct Four {
  float max = -kInfinity;
  float weight = 0;
  gpu::Pack<float, 4> sum{};
};
// The sum of up to kMost of them, in order.
template <int kMost, class Load>
__device__ __forceinline__ Four AddUp(const Load& load, int count = kMost) {
  Four each[kMost], all;
#pragma unroll
  for (int i = 0; i < kMost; ++i) {
    if (i < count) each[i] = load(i);
    all.max = fmaxf(all.max, each[i].max);
  }
#pragma unroll
  for (int i = 0; i < kMost; ++i) {
    const float factor = Exp2(each[i].max - all.max);
    all.weight = fmaf(factor, each[i].weight, all.weight);
#pragma unroll
    for (int e = 0; e < 4; ++e) all.sum.at[e] = fmaf(factor, each[i].sum.at[e], all.sum.at[e]);
  }
  return all;
}

// Activations of T over a cache of C in heads of up to kD; kTiles tiles of 8 query heads.
template <class T, class C, int kD, int kTiles>
struct Decode {
  static constexpr int kWidth = kD;
  static constexpr bool kFp8 = sizeof(C) == 1;
  using V = std::conditional_t<kFp8, F16, T>;  // values as the tensor cores take them, exactly
  static constexpr int kQueries = 8 * kTiles;
  static constexpr int kRowBytes = kD * sizeof(C) + 16;  // rows begin in other banks
  static constexpr int kPageBytes = gpu::kPageRows * kRowBytes;
  static constexpr int kStageBytes = 2 * kPageBytes;  // keys, then values
  static constexpr int kSumStride = kD + 4;
  static constexpr int kSteps = kD / 16;

  static constexpr int kCopyBytes = kDecodeWarps * kDecodeStages * kStageBytes;
  static constexpr int kResultBytes =
      kDecodeWarps * kQueries * (kSumStride + 2) * static_cast<int>(sizeof(float));
  static constexpr int kSharedBytes = kCopyBytes > kResultBytes ? kCopyBytes : kResultBytes;

  // The pages of one warp, and the copies under way. Each page is two groups: keys, values.
  struct Pages {
    static constexpr int kPer = 16 / sizeof(C);  // elements that a copy takes
    static constexpr int kChunks = kD / kPer;    // of a row
    static constexpr int kNewestLoads = (2 * kChunks + 31) / 32;

    const AttentionParams& p;
    const int32_t* table;
    int kv_head;
    uint32_t shared;
    gpu::Part part{};
    int first = 0, count = 0;  // pages first + i * kDecodeWarps of the sequence
    int ids = -1;              // lane l: of page i, i % 32 = l, of those being copied

    // Starts the copies of the first pages of part `index`, but for position `except`.
    __device__ void Start(int length, int index, int except) {
      const int warp = static_cast<int>(threadIdx.x) / 32;
      part = length > 0 ? gpu::FindPart(p, length - 1, index) : gpu::Part{};
      first = part.first_page + warp;
      count = max(0, (part.last_page - first + kDecodeWarps - 1) / kDecodeWarps);
      ids = IdAt(static_cast<int>(threadIdx.x) % 32);
#pragma unroll
      for (int i = 0; i < kDecodeStages; ++i) Copy(i, except);
    }
    __device__ int IdAt(int i) const {
      const int index = first + i * kDecodeWarps;
      return index < part.last_page ? gpu::PageAt(p, table, index) : -1;
    }
    __device__ int PositionOf(int i) const { return (first + i * kDecodeWarps) * gpu::kPageRows; }
    __device__ uint32_t Stage(int i) const { return shared + i % kDecodeStages * kStageBytes; }

    __device__ void Copy(int i, int except = -1) {
      const int lane = threadIdx.x % 32;
      if (i > 0 && i % 32 == 0) ids = IdAt(i + lane);
      const int id = __shfl_sync(0xffffffffu, ids, i % 32);
      const int position = PositionOf(i);
      if (i < count) CopyRows(gpu::PageOf<C>(p, p.k, id, kv_head), id, position, except, Stage(i));
      CommitCopies();
      if (i < count) {
        CopyRows(gpu::PageOf<C>(p, p.v, id, kv_head), id, position, except, Stage(i) + kPageBytes);
      }
      CommitCopies();
    }
    // Rows that the query does not attend to are zeros, whatever stands there.
    __device__ void CopyRows(const C* page, int id, int position, int except, uint32_t to) const {
      static_assert(gpu::kPageRows * kChunks % 32 == 0);
#pragma unroll
      for (int j = 0; j < gpu::kPageRows * kChunks / 32; ++j) {
        const int chunk = static_cast<int>(threadIdx.x) % 32 + j * 32;
        const int row = chunk / kChunks;
        const int at = chunk % kChunks * kPer;
        if (position + row == except) continue;
        const bool valid =
            id >= 0 && at < p.d && position + row >= part.begin && position + row < part.end;
        CopyAsync16(to + row * kRowBytes + at * static_cast<int>(sizeof(C)),
                    valid ? page + row * p.token_stride + at : page, valid);
      }
    }

    // The row of the sequence's last position, keys and values, on its way from the cache to the
    // page in shared memory that was copied without it, if that is one of this warp's.
    struct Newest {
      int page = -1;  // in shared memory; -1: another warp's
      uint4 chunks[kNewestLoads];
    };
    __device__ Newest LoadNewest() const {
      const int lane = threadIdx.x % 32;
      const int position = part.end - 1;
      const int away = position / gpu::kPageRows - first;
      Newest newest;
      if (away < 0 || away % kDecodeWarps != 0 || away / kDecodeWarps >= min(count, kDecodeStages))
        return newest;
      newest.page = away / kDecodeWarps;
      const int id = __shfl_sync(0xffffffffu, ids, newest.page);
      const int row = position % gpu::kPageRows;
#pragma unroll
      for (int j = 0; j < kNewestLoads; ++j) {
        const int chunk = lane + j * 32;
        const int at = chunk % kChunks * kPer;
        const void* plane = chunk < kChunks ? p.k : p.v;
        newest.chunks[j] = {};
        if (id < 0 || at >= p.d || chunk >= 2 * kChunks) continue;
        newest.chunks[j] = __ldcg(reinterpret_cast<const uint4*>(
            gpu::PageOf<C>(p, plane, id, kv_head) + row * p.token_stride + at));
      }
      return newest;
    }
    __device__ void StoreNewest(const Newest& newest) const {
      if (newest.page < 0) return;
      const uint32_t row = Stage(newest.page) + (part.end - 1) % gpu::kPageRows * kRowBytes;
#pragma unroll
      for (int j = 0; j < kNewestLoads; ++j) {
        const int chunk = static_cast<int>(threadIdx.x) % 32 + j * 32;
        if (chunk >= 2 * kChunks) continue;
        StoreShared16(row + chunk / kChunks * kPageBytes + chunk % kChunks * 16, newest.chunks[j]);
      }
    }
  };

  // Elements of a step of 16 that a lane's b registers hold; keys agree. Of fp8 a lane reads four
  // in a row.
  __device__ static int QueryElement(int step, int half) {
    const int c = threadIdx.x % 4;
    return step * 16 + (kFp8 ? 4 * c + 2 * half : 2 * c + 8 * half);
  }
  __device__ static void LoadQueries(const AttentionParams& p, const T* q, int heads,
                                     uint32_t (&regs)[kTiles][kSteps][2]) {
    const int g = threadIdx.x % 32 / 4;
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int head = t * 8 + g;
          const int i = QueryElement(step, half);
          regs[t][step][half] = head < heads && i < p.d
                                    ? __ldcg(reinterpret_cast<const uint32_t*>(q + head * p.d + i))
                                    : 0;
        }
      }
    }
  }

  // Keys of a page: elements [16 step, 16 step + 16).
  __device__ static void LoadKeys(uint32_t page, int step, uint32_t (&a)[4]) {
    const int lane = threadIdx.x % 32;
    if constexpr (kFp8) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const uint32_t four =
            LoadShared(page + (lane / 4 + 8 * half) * kRowBytes + step * 16 + lane % 4 * 4);
        a[half] = WidenPair<T>(four & 0xffff);
        a[half + 2] = WidenPair<T>(four >> 16);
      }
    } else {
      LoadMatrices(a, page + lane % 16 * kRowBytes + (step * 16 + lane / 16 * 8) * 2);
    }
  }
  // Values of a page, transposed: elements of two tiles of 16, `pair` the number of the two.
  __device__ static void LoadValues(uint32_t page, int pair, uint32_t (&a)[2][4]) {
    const int lane = threadIdx.x % 32;
    if constexpr (kFp8) {
      const int c = lane % 4;
      const uint32_t at = page + pair * 32 + lane / 4 * 4;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const uint32_t one = LoadShared(at + (2 * c + 8 * half) * kRowBytes);
        const uint32_t two = LoadShared(at + (2 * c + 8 * half + 1) * kRowBytes);
        const uint32_t low = __byte_perm(one, two, 0x5140);  // elements 0 and 1 of both keys
        const uint32_t high = __byte_perm(one, two, 0x7362);
        a[0][2 * half] = WidenPair<V>(low & 0xffff);
        a[0][2 * half + 1] = WidenPair<V>(low >> 16);
        a[1][2 * half] = WidenPair<V>(high & 0xffff);
        a[1][2 * half + 1] = WidenPair<V>(high >> 16);
      }
    } else {
#pragma unroll
      for (int t = 0; t < 2; ++t) {
        LoadMatricesTransposed(a[t], page + (lane / 16 * 8 + lane % 8) * kRowBytes +
                                         (pair * 32 + t * 16 + lane / 8 % 2 * 8) * 2);
      }
    }
  }
  // The element of a head that row g + 8 half of tile `tile` is.
  __device__ static int SumElement(int tile, int half) {
    const int g = threadIdx.x % 32 / 4;
    return kFp8 ? tile / 2 * 32 + 4 * g + tile % 2 * 2 + half : tile * 16 + g + 8 * half;
  }
  __device__ static uint32_t LoadShared(uint32_t address) {
    uint32_t x;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(address) : "memory");
    return x;
  }

  // What a warp has: of queries 2c and 2c + 1 of each tile.
  struct Running {
    float max[kTiles][2];
    float weight[kTiles][2];  // this lane's share
    float sum[kTiles][kSteps][4];

    __device__ Running() {
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        max[t][0] = max[t][1] = -kInfinity;
        weight[t][0] = weight[t][1] = 0;
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
#pragma unroll
          for (int e = 0; e < 4; ++e) sum[t][step][e] = 0;
        }
      }
    }

    // Scores of a page's keys; of the first at `position`.
    __device__ static void Score(uint32_t page, const uint32_t (&q)[kTiles][kSteps][2],
                                 float (&scores)[kTiles][4]) {
      float odd[kTiles][4] = {};  // two sums, so that a product does not wait for the one before
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        uint32_t a[4];
        LoadKeys(page, step, a);
#pragma unroll
        for (int t = 0; t < kTiles; ++t) {
          Mma<T>(step % 2 == 0 ? scores[t] : odd[t], a, q[t][step][0], q[t][step][1]);
        }
      }
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
#pragma unroll
        for (int e = 0; e < 4; ++e) scores[t][e] += odd[t][e];
      }
    }

    // Scores to weights, as the second product takes them; what there is shrinks to the new
    // maximum. Every page has a position in [begin, end).
    __device__ void Weigh(float factor, float softcap, const gpu::Part& part, int position, int t,
                          float (&scores)[4], uint32_t (&weights)[2]) {
      const Softcap capped(factor, softcap);
      position += threadIdx.x % 32 / 4;
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int at = position + e / 2 * 8;
        const float score = softcap > 0 ? capped(scores[e]) : scores[e] * factor;
        scores[e] = at >= part.begin && at < part.end ? score : -kInfinity;
      }
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        float top = fmaxf(max[t][e], fmaxf(scores[e], scores[e + 2]));
#pragma unroll
        for (int mask = 4; mask < 32; mask *= 2) top = fmaxf(top, gpu::ShuffleXor(top, mask));
        const float keep = Exp2(max[t][e] - top);
        max[t][e] = top;
        scores[e] = Exp2(scores[e] - top);
        scores[e + 2] = Exp2(scores[e + 2] - top);
        weight[t][e] = fmaf(weight[t][e], keep, scores[e] + scores[e + 2]);
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
          sum[t][step][e] *= keep;
          sum[t][step][e + 2] *= keep;
        }
      }
      weights[0] = TransposeMatrix(PackPair<V>(scores[0], scores[1]));
      weights[1] = TransposeMatrix(PackPair<V>(scores[2], scores[3]));
    }

    __device__ void Add(uint32_t page, const uint32_t (&weights)[kTiles][2]) {
#pragma unroll
      for (int pair = 0; pair < kSteps / 2; ++pair) {
        uint32_t a[2][4];
        LoadValues(page, pair, a);
#pragma unroll
        for (int t = 0; t < kTiles; ++t) {
          Mma<V>(sum[t][2 * pair], a[0], weights[t][0], weights[t][1]);
          Mma<V>(sum[t][2 * pair + 1], a[1], weights[t][0], weights[t][1]);
        }
      }
    }

    // For the block: sums[query][d], then max and weight of each query.
    __device__ void Store(float* result) const {
      const int lane = threadIdx.x % 32;
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int query = t * 8 + lane % 4 * 2 + e;
#pragma unroll
          for (int step = 0; step < kSteps; ++step) {
            result[query * kSumStride + SumElement(step, 0)] = sum[t][step][e];
            result[query * kSumStride + SumElement(step, 1)] = sum[t][step][e + 2];
          }
          float all = weight[t][e];
#pragma unroll
          for (int mask = 4; mask < 32; mask *= 2) all += gpu::ShuffleXor(all, mask);
          if (lane < 4) {
            result[kQueries * kSumStride + 2 * query] = max[t][e];
            result[kQueries * kSumStride + 2 * query + 1] = all;
          }
        }
      }
    }
  };

  // Elements [i, i + 4) of a query from the warps' results.
  __device__ static Four AddWarps(const float* results, int query, int i) {
    constexpr int kResult = kResultBytes / kDecodeWarps / static_cast<int>(sizeof(float));
    return AddUp<kDecodeWarps>([&](int warp) {
      const float* result = results + warp * kResult;
      const float* stats = result + kQueries * kSumStride + 2 * query;
      return Four{stats[0], stats[1], gpu::LoadPack<float, 4>(result + query * kSumStride + i)};
    });
  }

  // Four elements of y from sums over `weight`.
  __device__ static void StoreFour(T* y, const gpu::Pack<float, 4>& sum, float factor) {
    gpu::Pack<T, 4> pack;
#pragma unroll
    for (int e = 0; e < 4; ++e) pack.at[e] = gpu::Narrow<T>(sum.at[e] * factor);
    gpu::StorePack(y, pack);
  }
};

}  // namespace rw::cuda
