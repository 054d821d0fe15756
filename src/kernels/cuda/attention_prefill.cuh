// Prefill attention on tensor cores: sequences with several new queries.
//
// A block computes a tile of rows (attention_task.cuh). It walks the keys in tiles at multiples of
// kKeys, the next tile on its way while one is computed, and keeps for each row the maximum score,
// the sum of weights and the weighted sum of values. A warp has kTiles tiles of 16 rows to itself.
// Where a row's numbers are added up depends on the keys' positions only: a tile that a row does
// not attend to leaves its bits as they are.
// Weights are rounded to T before the product with the values, which adds half an ulp of T to each;
// their sum is of the unrounded ones.
#pragma once

#include "kernels/cuda/attention_task.cuh"

namespace rw::cuda {

inline constexpr int kPrefillWarps = 4;
inline constexpr int kPrefillThreads = kPrefillWarps * 32;

// Activations of T over a cache of C in heads of up to kD.
template <class T, class C, int kD>
struct Prefill {
  static constexpr bool kFp8 = sizeof(C) == 1;
  static constexpr int kTiles = kD > 128 ? 1 : 2;
  static constexpr int kKeys = kD > 128 ? 32 : 64;
  static constexpr int kWarpRows = 16 * kTiles;
  static constexpr int kRows = kPrefillWarps * kWarpRows;
  static constexpr int kRowBytes = kD * 2 + 16;  // rows begin in other banks
  static constexpr int kRawBytes = kD + 16;      // of fp8
  static constexpr int kSteps = kD / 16;

  // Shared memory: queries; then tiles of keys and values, two of each, or for fp8 one of each
  // and one as it lies in the cache.
  static constexpr int kTileBytes = kKeys * kRowBytes;
  static constexpr int kTilesAt = kRows * kRowBytes;
  static constexpr int kRawAt = kTilesAt + 2 * kTileBytes;
  static constexpr int kSharedBytes =
      kFp8 ? kRawAt + 2 * kKeys * kRawBytes : kTilesAt + 4 * kTileBytes;

  using Task = PrefillTask;

  __device__ static void CopyQueries(const AttentionParams& p, const Task& task, uint32_t to) {
    constexpr int kChunks = kD / 8;
    for (int chunk = threadIdx.x; chunk < kRows * kChunks; chunk += kPrefillThreads) {
      const int row = chunk / kChunks;
      const int at = chunk % kChunks * 8;
      const bool valid = task.first + row < task.rows && at < p.d;
      const T* from = static_cast<const T*>(p.q);
      if (valid) from += task.At(p, p.q_stride, task.first + row) + at;
      CopyAsync16(to + row * kRowBytes + at * 2, from, valid);
    }
  }

  // Keys and values from `position` on; zeros where the block's rows do not look, whatever stands
  // there.
  __device__ static void CopyTile(const AttentionParams& p, const Task& task, int position,
                                  uint32_t keys, uint32_t values) {
    constexpr int kPer = 16 / sizeof(C);
    constexpr int kChunks = kD / kPer;
    constexpr int kStride = kFp8 ? kRawBytes : kRowBytes;
    static_assert(kKeys * kChunks % kPrefillThreads == 0);
#pragma unroll 4
    for (int j = 0; j < kKeys * kChunks / kPrefillThreads; ++j) {
      const int chunk = static_cast<int>(threadIdx.x) + j * kPrefillThreads;
      const int row = chunk / kChunks;
      const int at = chunk % kChunks * kPer;
      const int key = position + row;
      const bool attended = key >= task.begin && key < task.end && at < p.d;
      const int page = attended ? gpu::PageAt(p, task.table, key / gpu::kPageRows) : -1;
      const bool valid = page >= 0;
      const int64_t from = valid ? page * p.page_stride + task.kv_head * p.head_stride +
                                       (key % gpu::kPageRows * p.token_stride + at)
                                 : 0;
      const uint32_t to = row * kStride + at * static_cast<int>(sizeof(C));
      CopyAsync16(keys + to, static_cast<const C*>(p.k) + from, valid);
      CopyAsync16(values + to, static_cast<const C*>(p.v) + from, valid);
    }
  }

  // A tile of fp8 keys and one of values to T.
  __device__ static void WidenTiles(const std::byte* raw, std::byte* tiles) {
    constexpr int kChunks = kD / 16;
    static_assert(2 * kKeys * kChunks % kPrefillThreads == 0);
#pragma unroll 2
    for (int j = 0; j < 2 * kKeys * kChunks / kPrefillThreads; ++j) {
      const int chunk = static_cast<int>(threadIdx.x) + j * kPrefillThreads;
      const int row = chunk / kChunks;  // of the keys, then of the values
      const int at = chunk % kChunks;
      const auto from = *reinterpret_cast<const uint4*>(raw + row * kRawBytes + at * 16);
      auto* to = reinterpret_cast<uint4*>(tiles + row * kRowBytes + at * 32);
      to[0] = {WidenPair<T>(from.x & 0xffff), WidenPair<T>(from.x >> 16),
               WidenPair<T>(from.y & 0xffff), WidenPair<T>(from.y >> 16)};
      to[1] = {WidenPair<T>(from.z & 0xffff), WidenPair<T>(from.z >> 16),
               WidenPair<T>(from.w & 0xffff), WidenPair<T>(from.w >> 16)};
    }
  }

  // What a warp has. Of each tile of 16 rows a lane has two: g and g + 8.
  struct Running {
    float max[kTiles][2];  // of raw scores
    float weight[kTiles][2];
    float sum[kTiles][2 * kSteps][4];

    __device__ Running() {
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        max[t][0] = max[t][1] = -kInfinity;
        weight[t][0] = weight[t][1] = 0;
#pragma unroll
        for (int n = 0; n < 2 * kSteps; ++n) {
#pragma unroll
          for (int e = 0; e < 4; ++e) sum[t][n][e] = 0;
        }
      }
    }
  };

  using Scores = float[kTiles][kKeys / 8][4];

  // queries: of the warp's first row.
  __device__ static void Score(uint32_t queries, uint32_t keys, Scores& scores) {
    const int lane = threadIdx.x % 32;
    const uint32_t query_at = queries + lane % 16 * kRowBytes + lane / 16 * 16;
    const uint32_t key_at = keys + (lane / 16 * 8 + lane % 8) * kRowBytes + lane / 8 % 2 * 16;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      uint32_t a[kTiles][4];
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        LoadMatrices(a[t], query_at + t * 16 * kRowBytes + step * 32);
      }
#pragma unroll
      for (int n = 0; n < kKeys / 16; ++n) {
        uint32_t b[4];
        LoadMatrices(b, key_at + n * 16 * kRowBytes + step * 32);
#pragma unroll
        for (int t = 0; t < kTiles; ++t) {
          Mma<T>(scores[t][2 * n], a[t], b[0], b[1]);
          Mma<T>(scores[t][2 * n + 1], a[t], b[2], b[3]);
        }
      }
    }
  }

  __device__ static void Cap(const Softcap& capped, Scores& scores) {
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) scores[t][n][e] = capped(scores[t][n][e]);
      }
    }
  }

  // Scores of keys that a row does not attend to become -infinity. `position`: of the first key.
  __device__ static void Mask(const AttentionParams& p, const Task& task, int warp_row,
                              int position, Scores& scores) {
    const int lane = threadIdx.x % 32;
    const int first = position + lane % 4 * 2;
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int last = task.Position(p, task.first + warp_row + t * 16 + half * 8 + lane / 4);
        const int begin = gpu::WindowBegin(p, last);
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const int key = first + n * 8 + e;
            if (key < begin || key > last) scores[t][n][2 * half + e] = -kInfinity;
          }
        }
      }
    }
  }

  // Scores to weights; what there is shrinks to the new maximum. A row that has seen no key yet
  // keeps -infinity and zeros.
  __device__ static void Weigh(float factor, Scores& scores, Running& running) {
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      float keep[2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float top = running.max[t][half];
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
          top = fmaxf(top, fmaxf(scores[t][n][2 * half], scores[t][n][2 * half + 1]));
        }
        top = fmaxf(top, gpu::ShuffleXor(top, 1));
        top = fmaxf(top, gpu::ShuffleXor(top, 2));
        const float base = top == -kInfinity ? 0 : top * factor;
        keep[half] = Exp2(running.max[t][half] * factor - base);
        running.max[t][half] = top;
        float all = 0;
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int e = 2 * half; e < 2 * half + 2; ++e) {
            scores[t][n][e] = Exp2(fmaf(scores[t][n][e], factor, -base));
            all += scores[t][n][e];
          }
        }
        running.weight[t][half] = fmaf(running.weight[t][half], keep[half], all);
      }
      // Maxima settle soon; most tiles change none.
      if (!__any_sync(0xffffffffu, keep[0] != 1.0f || keep[1] != 1.0f)) continue;
#pragma unroll
      for (int n = 0; n < 2 * kSteps; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) running.sum[t][n][e] *= keep[e / 2];
      }
    }
  }

  __device__ static void Add(uint32_t values, const Scores& weights, Running& running) {
    const int lane = threadIdx.x % 32;
    const uint32_t value_at = values + lane % 16 * kRowBytes + lane / 16 * 16;
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      uint32_t a[kTiles][4];
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float* pair = &weights[t][2 * k + i / 2][i % 2 * 2];
          a[t][i] = PackPair<T>(pair[0], pair[1]);
        }
      }
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        uint32_t b[4];
        LoadMatricesTransposed(b, value_at + k * 16 * kRowBytes + step * 32);
#pragma unroll
        for (int t = 0; t < kTiles; ++t) {
          Mma<T>(running.sum[t][2 * step], a[t], b[0], b[1]);
          Mma<T>(running.sum[t][2 * step + 1], a[t], b[2], b[3]);
        }
      }
    }
  }

  // The warp's rows to y, by way of the shared memory of its own queries.
  __device__ static void Store(const AttentionParams& p, const Task& task, int warp_row,
                               std::byte* shared, const Running& running) {
    const int lane = threadIdx.x % 32;
    const float v_scale = gpu::CacheScale(p.v_scale, task.kv_head);
    std::byte* rows = shared + warp_row * kRowBytes;
    __syncwarp();  // the other lanes have read the queries that lie there
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float all = running.weight[t][half];
        all += gpu::ShuffleXor(all, 1);
        all += gpu::ShuffleXor(all, 2);
        const float factor = v_scale / all;
        std::byte* row = rows + (t * 16 + half * 8 + lane / 4) * kRowBytes + lane % 4 * 4;
#pragma unroll
        for (int n = 0; n < 2 * kSteps; ++n) {
          *reinterpret_cast<uint32_t*>(row + n * 16) = PackPair<T>(
              running.sum[t][n][2 * half] * factor, running.sum[t][n][2 * half + 1] * factor);
        }
      }
    }
    __syncwarp();
    const int chunks = p.d / 8;
    for (int chunk = lane; chunk < kWarpRows * chunks; chunk += 32) {
      const int row = task.first + warp_row + chunk / chunks;
      const int at = chunk % chunks * 8;
      if (row >= task.rows) break;
      const auto x = *reinterpret_cast<const uint4*>(rows + chunk / chunks * kRowBytes + at * 2);
      *reinterpret_cast<uint4*>(static_cast<T*>(p.y) + task.At(p, p.y_stride, row) + at) = x;
    }
  }
};

}  // namespace rw::cuda
