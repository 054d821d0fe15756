// Prefill attention on compute capability 9.0: sequences with several new queries.
//
// A block computes a tile of rows (attention_task.cuh) after the other. Its first warpgroup brings
// tiles of keys and of values into shared memory (attention_hopper_producer.cuh), each of the
// others has 64 rows. Such a warpgroup issues the products of the next keys before those of the
// values at hand, so that it turns scores into weights while the values are added; and the
// warpgroups take turns at issuing, so that products of one go on under the exponentials of
// another.
//
// Where a row's numbers are added up depends on the keys' positions only: a tile that a row does
// not attend to leaves its bits as they are. Weights are rounded to T before the product with the
// values, which adds half an ulp of T to each; their sum is of the unrounded ones.
#pragma once

#include "kernels/cuda/attention_task.cuh"
#include "kernels/cuda/hopper.cuh"

namespace rw::cuda {

// Activations and a cache of T in heads of up to kD.
template <class T, int kD>
struct Hopper {
  static constexpr int kConsumers = kD <= 64 ? 3 : 2;
  static constexpr int kThreads = (kConsumers + 1) * kWarpgroupThreads;
  static constexpr int kProducerRegisters = kConsumers == 3 ? 32 : 24;
  static constexpr int kConsumerRegisters = kConsumers == 3 ? 160 : 240;
  static constexpr int kGroupRows = 64;
  static constexpr int kRows = kConsumers * kGroupRows;
  static constexpr int kKeys = kD <= 128 ? 128 : kD <= 192 ? 96 : 80;
  static constexpr int kPages = kKeys / gpu::kPageRows;
  static constexpr int kStages = 2;
  static constexpr int kWide = kD == 96 ? 96 : 64;
  static constexpr int kWidth = kD % 128 == 0 ? 128 : kWide;  // values of one product
  static constexpr int kParts = kD / kWidth;

  // Shared memory, in swizzled tiles of kTileElements columns: queries; then keys and values of
  // each stage. The results take the place of the queries.
  static constexpr int kTileElements = kSwizzleBytes / 2;
  static constexpr int kColumns = (kD + kTileElements - 1) / kTileElements;
  static constexpr int kQueryTile = kRows * kSwizzleBytes;
  static constexpr int kKeyTile = kKeys * kSwizzleBytes;
  static constexpr int kStageBytes = kColumns * kKeyTile;  // of keys or values
  static constexpr int kStagesAt = kColumns * kQueryTile;
  static constexpr int kAlignment = kSwizzleRows * kSwizzleBytes;
  static constexpr int kSharedBytes = kStagesAt + kStages * 2 * kStageBytes + kAlignment;

  static constexpr int kTasks = 2;
  struct Shared {
    static constexpr int kReaders = kConsumers * kWarpgroupThreads;
    PrefillTask task[kTasks];  // of no rows: the end
    Ring<kTasks, kReaders> tasks;
    Ring<kStages, kReaders / 32> keys, values;

    __device__ void Init() {
      tasks.Init();
      keys.Init();
      values.Init();
      PublishBarriers();
    }
  };

  // Tiles of keys that a task takes, and the position of the first.
  struct Walk {
    int begin, tiles;

    __device__ explicit Walk(const PrefillTask& task)
        : begin(task.begin / kKeys * kKeys), tiles((task.end - begin + kKeys - 1) / kKeys) {}
  };

  __device__ static uint32_t KeysAt(uint32_t memory, int i) {
    return memory + kStagesAt + 2 * (i % kStages) * kStageBytes;
  }
  __device__ static uint32_t ValuesAt(uint32_t memory, int i) {
    return KeysAt(memory, i) + kStageBytes;
  }
  // Where 16-byte chunk `chunk` of a row of a tile lies.
  __device__ static uint32_t ChunkAt(int row, int chunk) {
    return row * kSwizzleBytes + (chunk ^ row % kSwizzleRows) * 16;
  }

  // The warpgroup's queries; zeros where there are none.
  __device__ static void LoadQueries(const AttentionParams& p, const PrefillTask& task, int row0,
                                     uint32_t to) {
    constexpr int kChunks = kColumns * kTileElements / 8;
    for (int i = threadIdx.x % kWarpgroupThreads; i < kGroupRows * kChunks;
         i += kWarpgroupThreads) {
      const int row = i / kChunks;
      const int chunk = i % kChunks;
      const bool valid = task.first + row0 + row < task.rows && chunk * 8 < p.d;
      const T* from = static_cast<const T*>(p.q);
      if (valid) from += task.At(p, p.q_stride, task.first + row0 + row) + chunk * 8;
      CopyAsync16(to + chunk / 8 * kQueryTile + ChunkAt(row, chunk % 8), from, valid);
    }
    CommitCopies();
    WaitForCopies<0>();
    FenceForProducts();
  }

  // What the warpgroup has; of each of its 64 rows' columns a lane has what Mma has.
  struct Running {
    float max[2], weight[2];  // of raw scores; of rows g and g + 8 of the warp
    float sum[kParts][kWidth / 2];

    __device__ Running() {
      max[0] = max[1] = -kInfinity;
      weight[0] = weight[1] = 0;
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
#pragma unroll
        for (int i = 0; i < kWidth / 2; ++i) sum[part][i] = 0;
      }
    }
  };
  using Scores = float[kKeys / 2];
  using Weights = uint32_t[kKeys / 16][4];

  __device__ static void Score(uint32_t queries, uint32_t keys, Scores& scores) {
#pragma unroll
    for (int step = 0; step < kD / 16; ++step) {
      const int at = step % 4 * 32;
      ProductOfShared<T>(scores, Operand(queries + step / 4 * kQueryTile + at),
                         Operand(keys + step / 4 * kKeyTile + at), step > 0);
    }
    CommitProducts();
  }
  __device__ static void Add(const Weights& weights, uint32_t values, Running& running) {
    constexpr int kPartBytes = kWidth / kTileElements * kKeyTile;
#pragma unroll
    for (int step = 0; step < kKeys / 16; ++step) {
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        const uint32_t at = part * kPartBytes + step * 16 * kSwizzleBytes;
        ProductOfRegisters<T>(running.sum[part], weights[step], Operand(values + at, kKeyTile));
      }
    }
    CommitProducts();
  }

  // Scores of keys that a row does not attend to become -infinity. `position`: of the first key.
  __device__ static void Mask(const AttentionParams& p, const PrefillTask& task, int row0,
                              int position, Scores& scores) {
    const int thread = static_cast<int>(threadIdx.x) % kWarpgroupThreads;
    const int first = position + thread % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = task.first + row0 + thread / 32 * 16 + half * 8 + thread % 32 / 4;
      const int last = task.Position(p, row);
      const int begin = gpu::WindowBegin(p, last);
#pragma unroll
      for (int i = 2 * half; i < kKeys / 2; i += 4) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int key = first + i / 4 * 8 + e;
          if (key < begin || key > last) scores[i + e] = -kInfinity;
        }
      }
    }
  }

  // Scores to weights, and by what earlier sums shrink. A row that has seen no key yet keeps
  // -infinity and zeros.
  __device__ static void Weigh(float factor, Scores& scores, Running& running, float (&keep)[2]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = running.max[half];
#pragma unroll
      for (int i = 2 * half; i < kKeys / 2; i += 4) {
        top = fmaxf(top, fmaxf(scores[i], scores[i + 1]));
      }
      top = fmaxf(top, gpu::ShuffleXor(top, 1));
      top = fmaxf(top, gpu::ShuffleXor(top, 2));
      const float base = top == -kInfinity ? 0 : top * factor;
      keep[half] = Exp2(running.max[half] * factor - base);
      running.max[half] = top;
      float all[2] = {};
#pragma unroll
      for (int i = 2 * half; i < kKeys / 2; i += 4) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          scores[i + e] = Exp2(fmaf(scores[i + e], factor, -base));
          all[e] += scores[i + e];
        }
      }
      running.weight[half] = fmaf(running.weight[half], keep[half], all[0] + all[1]);
    }
  }
  __device__ static void Round(const Scores& scores, Weights& weights) {
#pragma unroll
    for (int i = 0; i < kKeys / 4; ++i) {
      weights[i / 4][i % 4] = PackPair<T>(scores[2 * i], scores[2 * i + 1]);
    }
  }
  __device__ static void Shrink(const float (&keep)[2], Running& running) {
    // Maxima settle soon; most tiles change none.
    if (kD > 64 && !__any_sync(0xffffffffu, keep[0] != 1.0f || keep[1] != 1.0f)) return;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int i = 0; i < kWidth / 2; ++i) running.sum[part][i] *= keep[i / 2 % 2];
    }
  }

  // Values that no row of the block looks at become zeros, whatever stands there: their weights
  // are zeros, but zero times infinity is not. Each warpgroup does so for itself.
  __device__ static void ClearValues(const PrefillTask& task, int position, uint32_t values,
                                     int barrier) {
    if (position >= task.begin && position + kKeys <= task.end) return;
    for (int i = threadIdx.x % kWarpgroupThreads; i < kKeys * kColumns * 8;
         i += kWarpgroupThreads) {
      const int row = i / (kColumns * 8);
      if (position + row >= task.begin && position + row < task.end) continue;
      const uint32_t at = values + i / 8 % kColumns * kKeyTile + ChunkAt(row, i % 8);
      asm volatile("st.shared.v4.u32 [%0], {%1, %1, %1, %1};" ::"r"(at), "r"(0) : "memory");
    }
    FenceForProducts();
    SyncNamed(barrier, kWarpgroupThreads);
  }

  // The warp's rows to y, by way of the shared memory of its own queries.
  __device__ static void Store(const AttentionParams& p, const PrefillTask& task, int row0,
                               uint32_t queries, Running& running) {
    const int lane = threadIdx.x % 32;
    const int warp_row = static_cast<int>(threadIdx.x) % kWarpgroupThreads / 32 * 16;
    const float v_scale = gpu::CacheScale(p.v_scale, task.kv_head);
    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float all = running.weight[half];
      all += gpu::ShuffleXor(all, 1);
      all += gpu::ShuffleXor(all, 2);
      factor[half] = v_scale / all;
    }
#pragma unroll
    for (int i = 0; i < kD / 2; i += 2) {
      const int part = i / (kWidth / 2), at = i % (kWidth / 2);
      const int half = i / 2 % 2;
      const int chunk = i / 4;  // of 8 columns
      const uint32_t to = queries + chunk / 8 * kQueryTile +
                          ChunkAt(warp_row + half * 8 + lane / 4, chunk % 8) + lane % 4 * 4;
      const uint32_t pair = PackPair<T>(running.sum[part][at] * factor[half],
                                        running.sum[part][at + 1] * factor[half]);
      asm volatile("st.shared.u32 [%0], %1;" ::"r"(to), "r"(pair) : "memory");
    }
    __syncwarp();
    const int chunks = p.d / 8;
    for (int i = lane; i < 16 * chunks; i += 32) {
      const int row = task.first + row0 + warp_row + i / chunks;
      const int chunk = i % chunks;
      if (row >= task.rows) break;
      uint4 x;
      asm volatile(
          "ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
          : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
          : "r"(queries + chunk / 8 * kQueryTile + ChunkAt(warp_row + i / chunks, chunk % 8))
          : "memory");
      *reinterpret_cast<uint4*>(static_cast<T*>(p.y) + task.At(p, p.y_stride, row) + chunk * 8) = x;
    }
  }

  // Turns at issuing products. Barriers 1 to kConsumers are the warpgroups' own, the next ones say
  // whose turn it is.
  __device__ static void WaitForTurn(int group) {
    SyncNamed(1 + kConsumers + group, 2 * kWarpgroupThreads);
  }
  __device__ static void PassTurn(int group) {
    ArriveNamed(1 + kConsumers + (group + 1) % kConsumers, 2 * kWarpgroupThreads);
  }

  // One warpgroup, number `group`.
  __device__ static void Consume(const AttentionParams& p, Shared& shared, uint32_t memory,
                                 int group) {
    if (group == kConsumers - 1) PassTurn(group);
    int done = 0;
    for (int tasks = 0;; ++tasks) {
      shared.tasks.WaitFull(tasks);
      const PrefillTask& task = shared.task[tasks % kTasks];
      if (task.rows == 0) break;
      Attend(p, task, shared, memory, group, done);
      done += Walk(task).tiles;
      shared.tasks.ReleaseOfThread(tasks);
    }
  }

  // The warpgroup's rows of a task, whose tiles are number `done` and on.
  __device__ static void Attend(const AttentionParams& p, const PrefillTask& task, Shared& shared,
                                uint32_t memory, int group, int done) {
    const int row0 = group * kGroupRows;
    const uint32_t queries = memory + row0 * kSwizzleBytes;
    SyncNamed(1 + group, kWarpgroupThreads);  // the task before is done with them
    LoadQueries(p, task, row0, queries);
    SyncNamed(1 + group, kWarpgroupThreads);

    const auto [begin, tiles] = Walk(task);
    const int lowest = task.Position(p, task.first + row0);
    const int highest = task.Position(p, task.first + row0 + kGroupRows - 1);
    const float raw_factor = ScoreFactor(p, task.kv_head);
    const float factor = p.softcap > 0 ? 1.0f : raw_factor;
    Running running;
    Scores scores;
    Weights weights;
    float keep[2];
    const auto weigh = [&](int position) {
      if (p.softcap > 0) {
        const Softcap capped(raw_factor, p.softcap);
#pragma unroll
        for (int i = 0; i < kKeys / 2; ++i) scores[i] = capped(scores[i]);
      }
      if (position + kKeys - 1 > lowest || position < gpu::WindowBegin(p, highest)) {
        Mask(p, task, row0, position, scores);
      }
      Weigh(factor, scores, running, keep);
    };

    shared.keys.WaitFull(done);
    WaitForTurn(group);
    BeginProducts();
    Score(queries, KeysAt(memory, done), scores);
    PassTurn(group);
    WaitForProducts<0>();
    Settle(scores);
    shared.keys.ReleaseOfWarp(done);
    weigh(begin);
    Round(scores, weights);
    for (int i = 1; i < tiles; ++i) {
      const uint32_t values = ValuesAt(memory, done + i - 1);
      shared.keys.WaitFull(done + i);
      shared.values.WaitFull(done + i - 1);
      ClearValues(task, begin + (i - 1) * kKeys, values, 1 + group);
      WaitForTurn(group);
      BeginProducts();
      Score(queries, KeysAt(memory, done + i), scores);
      Add(weights, values, running);
      PassTurn(group);
      WaitForProducts<1>();
      Settle(scores);
      shared.keys.ReleaseOfWarp(done + i);
      weigh(begin + i * kKeys);
      WaitForProducts<0>();
#pragma unroll
      for (int part = 0; part < kParts; ++part) Settle(running.sum[part]);
      shared.values.ReleaseOfWarp(done + i - 1);
      Shrink(keep, running);
      Round(scores, weights);
    }
    const int last = done + tiles - 1;
    shared.values.WaitFull(last);
    ClearValues(task, begin + (tiles - 1) * kKeys, ValuesAt(memory, last), 1 + group);
    BeginProducts();
    Add(weights, ValuesAt(memory, last), running);
    WaitForProducts<0>();
#pragma unroll
    for (int part = 0; part < kParts; ++part) Settle(running.sum[part]);
    shared.values.ReleaseOfWarp(last);
    SyncNamed(1 + group, kWarpgroupThreads);  // nobody reads queries any more
    if (task.first + row0 < task.rows) Store(p, task, row0, queries, running);
  }
};

}  // namespace rw::cuda
