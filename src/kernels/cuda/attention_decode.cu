// Decode attention on tensor cores: the kernel, and the choice of one.
#include <algorithm>

#include "kernels/cuda/attention_decode_join.cuh"

namespace rw::cuda {
namespace {

// What the step says of a sequence.
struct Sequence {
  int row, row_end, length;

  __device__ static Sequence Of(const AttentionParams& p, int sequence) {
    return {gpu::Peek(p.qstart + sequence), gpu::Peek(p.qstart + sequence + 1),
            gpu::Peek(p.len + sequence)};
  }
  // Whether it has one new query.
  __device__ bool Decodes(const AttentionParams& p) const {
    return row_end - row == 1 && length > 0 && row >= 0 && row < p.rows;
  }
  __device__ bool operator==(const Sequence& other) const {
    return row == other.row && row_end == other.row_end && length == other.length;
  }
};

// The query heads of one kv head that a block takes.
struct Heads {
  int kv_head, first, count;

  __device__ static Heads Of(const AttentionParams& p, int queries) {
    const int blocks = (p.group + queries - 1) / queries;  // of a kv head
    const int kv_head = static_cast<int>(blockIdx.y) / blocks;
    const int first = static_cast<int>(blockIdx.y) % blocks * queries;
    return {kv_head, kv_head * p.group + first, min(p.group - first, queries)};
  }
};

// Elements of y, or of what clusters leave for each other where a sequence takes several: the block
// that is the last to do so adds them up.
template <class D, class T>
__device__ __forceinline__ void Finish(const AttentionParams& p, const Join<D>& join, int parts,
                                       int cluster, const Heads& heads, T* y) {
  const int sequence = blockIdx.z;
  const int clusters = (parts + cluster - 1) / cluster;
  const float v_scale = gpu::CacheScale(p.v_scale, heads.kv_head);
  const int64_t part_at =
      gpu::PartIndex(p, sequence, static_cast<int>(blockIdx.x) / cluster, heads.first);
  join.Receive([&](const typename Join<D>::Place& at, Four four) {
    if (clusters == 1) {
#pragma unroll
      for (int e = 0; e < 4; ++e) four.sum.at[e] /= four.weight;
      D::StoreFour(y + at.query * p.d + at.i, four.sum, v_scale);
      return;
    }
    gpu::StorePack(p.sums + (part_at + at.query) * p.d + at.i, four.sum);
    if (at.i == 0) {
      gpu::StorePack(p.stats + 2 * (part_at + at.query),
                     gpu::Pack<float, 2>{four.max, four.weight});
    }
  });
  if (clusters == 1) return;
  if (!gpu::IsLastPart(p.counters + sequence * gridDim.y + blockIdx.y, parts)) return;
  const int fours = p.d / 4;
  for (int at = threadIdx.x; at < heads.count * fours; at += kDecodeThreads) {
    const int query = at / fours;
    const int i = at % fours * 4;
    const auto sum = gpu::AddParts<Exp2Fn, 4>(p, sequence, heads.first + query, clusters, i);
    D::StoreFour(y + query * p.d + i, sum, v_scale);
  }
}

// Grid: parts, `cluster` of which are a cluster; kv heads times blocks of kQueries of their query
// heads; sequences.
template <class T, class C, int kD, int kTiles>
__global__ void __launch_bounds__(kDecodeThreads) DecodeKernel(AttentionParams p, int cluster) {
  using D = Decode<T, C, kD, kTiles>;
  extern __shared__ __align__(16) std::byte shared[];
  const int warp = threadIdx.x / 32;
  const int index = blockIdx.x;
  const int sequence = blockIdx.z;
  const Heads heads = Heads::Of(p, D::kQueries);
  const auto load_queries = [&](int row, uint32_t(&q)[kTiles][D::kSteps][2]) {
    D::LoadQueries(p, static_cast<const T*>(p.q) + row * p.q_stride + int64_t{heads.first} * p.d,
                   heads.count, q);
  };
  ArriveAtCluster();
  // All but the newest position is in the cache since an earlier step.
  typename D::Pages pages{p, p.table + sequence * p.table_stride, heads.kv_head,
                          SharedAddress(shared) + warp * kDecodeStages * D::kStageBytes};
  const Sequence seen = Sequence::Of(p, sequence);
  pages.Start(seen.Decodes(p) ? seen.length : 0, index, seen.length - 1);
  gpu::WaitForPrevious();

  const Sequence now = Sequence::Of(p, sequence);
  const int id = pages.IdAt(static_cast<int>(threadIdx.x) % 32);
  uint32_t q[kTiles][D::kSteps][2];
  const auto newest = pages.LoadNewest();
  if (seen.Decodes(p)) load_queries(seen.row, q);
  if (!now.Decodes(p)) return;
  if (__all_sync(0xffffffffu, now == seen && id == pages.ids)) {
    pages.StoreNewest(newest);
  } else {
    WaitForCopies<0>();
    __syncwarp();
    pages.Start(now.length, index, -1);
    load_queries(now.row, q);
  }
  if (pages.part.parts == 0) return;

  const float factor = ScoreFactor(p, heads.kv_head);
  typename D::Running running;
  for (int i = 0; i < pages.count; ++i) {
    const uint32_t page = pages.Stage(i);
    WaitForCopies<2 * kDecodeStages - 1>();
    __syncwarp();
    float scores[kTiles][4] = {};
    uint32_t weights[kTiles][2];
    D::Running::Score(page, q, scores);
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      running.Weigh(factor, p.softcap, pages.part, pages.PositionOf(i), t, scores[t], weights[t]);
    }
    WaitForCopies<2 * kDecodeStages - 2>();
    __syncwarp();
    running.Add(page + D::kPageBytes, weights);
    __syncwarp();  // all have read it
    pages.Copy(i + kDecodeStages);
  }
  WaitForCopies<0>();
  __syncthreads();  // the pages' memory takes the results
  auto* results = reinterpret_cast<float*>(shared);
  running.Store(results + warp * (D::kResultBytes / kDecodeWarps / sizeof(float)));
  __syncthreads();

  const Join<D> join(shared + D::kSharedBytes, cluster, index, pages.part.parts, heads.count, p.d);
  WaitForCluster();  // all of its blocks have begun
  join.Send(results);
  ArriveAtCluster();
  WaitForCluster();
  Finish(p, join, pages.part.parts, cluster, heads,
         static_cast<T*>(p.y) + now.row * p.y_stride + int64_t{heads.first} * p.d);
}

template <class T, class C, int kD, int kTiles>
void StartDecode(const gpu::Queue& queue, const AttentionParams& p) {
  using D = Decode<T, C, kD, kTiles>;
  AllowShared<DecodeKernel<T, C, kD, kTiles>>(
      D::kSharedBytes + Join<D>::SharedBytes(gpu::kJoinedParts, D::kQueries, D::kWidth));
  const int64_t blocks = p.hq / p.group * gpu::CeilDiv(p.group, D::kQueries);
  const int cluster = std::min({p.max_parts, queue.cluster_blocks, gpu::kJoinedParts});
  const int bytes =
      D::kSharedBytes + Join<D>::SharedBytes(cluster, std::min(p.group, D::kQueries), p.d);
  const int64_t parts = gpu::CeilDiv(p.max_parts, cluster) * cluster;
  const dim3 grid(static_cast<unsigned>(parts), static_cast<unsigned>(blocks),
                  static_cast<unsigned>(p.sequences));
  gpu::LaunchClusters(queue, DecodeKernel<T, C, kD, kTiles>, grid, cluster, kDecodeThreads,
                      static_cast<size_t>(bytes), p, cluster);
}

template <class T, class C>
void RunDecode(const gpu::Queue& queue, const AttentionParams& p) {
  WithHeadWidth(p.d, [&]<int kD>(std::integral_constant<int, kD>) {
    // Heads of 256 in two tiles do not fit the registers: two blocks read the keys instead.
    constexpr int kMostTiles = kD > 192 ? 1 : 2;
    if (p.group <= 8) return StartDecode<T, C, kD, 1>(queue, p);
    StartDecode<T, C, kD, kMostTiles>(queue, p);
  });
}

}  // namespace

void RunAttentionDecode(const gpu::Queue& queue, const AttentionArgs& args,
                        const AttentionParams& p) {
  const bool fp8 = args.kv.dtype == DType::kF8E4M3;
  if (args.q.dtype == DType::kBF16) {
    return fp8 ? RunDecode<BF16, F8E4M3>(queue, p) : RunDecode<BF16, BF16>(queue, p);
  }
  fp8 ? RunDecode<F16, F8E4M3>(queue, p) : RunDecode<F16, F16>(queue, p);
}

}  // namespace rw::cuda
