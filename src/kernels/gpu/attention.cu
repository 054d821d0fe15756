// attention for any element types and head dims, and the choice between it and tensor cores.
//
// A block computes one query head of one query: a warp takes kWarp positions at a time, a lane the
// score of one of them and then some elements of the weighted sum. float32 all through. A query
// that is its sequence's only new one is divided into parts (attention.h).
#include "kernels/args.h"
#include "kernels/gpu/attention.cuh"
#include "kernels/gpu/attention_parts.cuh"
#include "kernels/gpu/gpu.h"
#include "kernels/scalar_math.h"
#if !defined(__HIP_PLATFORM_AMD__)
#include "kernels/cuda/attention_mma.h"
#endif

namespace rw::gpu {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;
constexpr int kMaxHeadDim = 512;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct ExpFn {
  __device__ static float Of(float x) { return expf(x); }
};

__device__ float LoadAs(DType dtype, const void* from, int64_t i) {
  if (dtype == DType::kF32) return static_cast<const float*>(from)[i];
  if (dtype == DType::kF16) return Widen(static_cast<const F16*>(from)[i]);
  return Widen(static_cast<const BF16*>(from)[i]);
}
__device__ void StoreAs(DType dtype, void* to, int64_t i, float x) {
  if (dtype == DType::kF32) {
    static_cast<float*>(to)[i] = x;
  } else if (dtype == DType::kF16) {
    static_cast<F16*>(to)[i] = Narrow<F16>(x);
  } else {
    static_cast<BF16*>(to)[i] = Narrow<BF16>(x);
  }
}

struct Query {
  int sequence;  // -1: none for this block
  int row;
  int position;
};

// The query of sequence `sequence` if it is the only one.
__device__ Query OnlyQuery(const AttentionParams& p, int sequence) {
  const int row = p.qstart[sequence];
  const int length = p.len[sequence];
  const bool only = p.qstart[sequence + 1] - row == 1 && length > 0 && row < p.rows;
  return {only ? sequence : -1, row, length - 1};
}

// The query in row `row` if its sequence has others too.
__device__ Query OneOfMany(const AttentionParams& p, int row) {
  int low = 0, high = p.sequences;  // the last sequence that begins at `row` or before
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (p.qstart[middle] <= row) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  if (low == p.sequences) return {-1, row, 0};
  const int end = p.qstart[low + 1];
  const int position = p.len[low] - end + row;
  const bool many = end - p.qstart[low] > 1 && position >= 0;
  return {many ? low : -1, row, position};
}

// What a warp or a block has of one query head: the weights are relative to exp(max).
template <int kElements>
struct Running {
  float max = -kInfinity;
  float weight = 0;  // of a warp: this lane's share
  float sum[kElements] = {};
};

// query . key, both of d elements; kCount elements of the key in one access.
template <class C, int kCount>
__device__ float Dot(const float* query, const C* key, int d) {
  float sum = 0;
  for (int i = 0; i < d; i += kCount) {
    const auto pack = LoadPack<C, kCount>(key + i);
#pragma unroll
    for (int j = 0; j < kCount; ++j) sum = fmaf(query[i + j], Widen(pack.at[j]), sum);
  }
  return sum;
}

// Adds the values of positions [begin, end) of one page; lane `from` + offset has the weight.
template <class C, int kElements>
__device__ void AddValues(const AttentionParams& p, const C* page, int begin, int end, int from,
                          float weight, float (&sum)[kElements]) {
  constexpr int kUnroll = kElements > 8 ? 2 : 4;
  const int lane = threadIdx.x % kWarp;
#pragma unroll kUnroll
  for (int r = begin; r < end; ++r) {
    const float w = ShuffleFrom(weight, from + r);
    const C* row = page + r * p.token_stride;
#pragma unroll
    for (int j = 0; j < kElements; ++j) {
      const int i = lane + j * kWarp;
      if (i < p.d) sum[j] = fmaf(w, Widen(row[i]), sum[j]);
    }
  }
}

// The next kWarp positions from `tile` on, of which [begin, end) count.
template <class C, int kCount, int kElements>
__device__ void AddTile(const AttentionParams& p, const int32_t* table, const float* query,
                        int kv_head, int tile, int begin, int end, Running<kElements>& running) {
  const int position = tile + static_cast<int>(threadIdx.x) % kWarp;
  const bool counts = position >= begin && position < end;
  const int page = counts ? PageAt(p, table, position / kPageRows) : -1;
  float score = counts ? 0 : -kInfinity;
  if (page >= 0) {
    const C* key = PageOf<C>(p, p.k, page, kv_head) + position % kPageRows * p.token_stride;
    score = Dot<C, kCount>(query, key, p.d) * CacheScale(p.k_scale, kv_head) * p.scale;
    if (p.softcap > 0) score = Softcap(score, p.softcap);
  }
  float top = fmaxf(running.max, score);
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) top = fmaxf(top, ShuffleXor(top, mask));
  const float keep = ExpFn::Of(running.max - top);
  const float weight = ExpFn::Of(score - top);
  running.max = top;
  running.weight = running.weight * keep + weight;
#pragma unroll
  for (int j = 0; j < kElements; ++j) running.sum[j] *= keep;
  for (int from = 0; from < kWarp; from += kPageRows) {
    const int first = max(begin - tile - from, 0);
    const int last = min(end - tile - from, kPageRows);
    if (first >= last) continue;
    const int values = PageAt(p, table, (tile + from) / kPageRows);
    if (values < 0) continue;
    AddValues(p, PageOf<C>(p, p.v, values, kv_head), first, last, from, weight, running.sum);
  }
}

// What the warps have, together: element i of the sum, and max and weight.
template <int kElements>
struct Shared {
  float query[kMaxHeadDim];
  float max[kWarps];
  float weight[kWarps];
  float sum[kWarps][kElements * kWarp];

  __device__ void Take(const Running<kElements>& running) {
    const int warp = threadIdx.x / kWarp;
    const int lane = threadIdx.x % kWarp;
    float all = running.weight;
#pragma unroll
    for (int mask = kWarp / 2; mask > 0; mask /= 2) all += ShuffleXor(all, mask);
    max[warp] = running.max;
    weight[warp] = all;
#pragma unroll
    for (int j = 0; j < kElements; ++j) sum[warp][lane + j * kWarp] = running.sum[j];
  }
  __device__ Running<1> Together(int i) const {
    Running<1> all;
    for (int w = 0; w < kWarps; ++w) all.max = fmaxf(all.max, max[w]);
    for (int w = 0; w < kWarps; ++w) {
      const float factor = ExpFn::Of(max[w] - all.max);
      all.weight = fmaf(factor, weight[w], all.weight);
      all.sum[0] = fmaf(factor, sum[w][i], all.sum[0]);
    }
    return all;
  }
};

// Grid: query heads; parts of a sequence or 1; sequences (kParts) or query rows, where x and z
// change places, since rows are many.
template <class C, int kCount, int kElements, bool kParts>
__global__ void __launch_bounds__(kThreads, 4) AttentionKernel(AttentionParams p, DType dtype) {
  __shared__ Shared<kElements> shared;
  WaitForPrevious();
  const int head = blockIdx.y;
  const Query query = kParts ? OnlyQuery(p, static_cast<int>(blockIdx.z))
                             : OneOfMany(p, static_cast<int>(blockIdx.x));
  if (query.sequence < 0) return;
  const int index = kParts ? static_cast<int>(blockIdx.x) : 0;
  Part part = FindPart(p, query.position, index);
  if (part.parts == 0) return;
  if (!kParts) part.parts = 1, part.last_page = query.position / kPageRows + 1;

  const int64_t q_at = query.row * p.q_stride + int64_t{head} * p.d;
  for (int i = threadIdx.x; i < p.d; i += kThreads) shared.query[i] = LoadAs(dtype, p.q, q_at + i);
  __syncthreads();
  const int32_t* table = p.table + query.sequence * p.table_stride;
  const int kv_head = head / p.group;
  const int begin = max(part.begin, part.first_page * kPageRows);
  const int end = min(part.end, part.last_page * kPageRows);
  Running<kElements> running;
  for (int tile = part.first_page * kPageRows + static_cast<int>(threadIdx.x) / kWarp * kWarp;
       tile < end; tile += kThreads) {
    AddTile<C, kCount>(p, table, shared.query, kv_head, tile, begin, end, running);
  }
  shared.Take(running);
  __syncthreads();

  const int64_t y_at = query.row * p.y_stride + int64_t{head} * p.d;
  const float v_scale = CacheScale(p.v_scale, kv_head);
  const int64_t part_at = kParts ? PartIndex(p, query.sequence, index, head) : 0;
  for (int i = threadIdx.x; i < p.d; i += kThreads) {
    const Running<1> all = shared.Together(i);
    if (part.parts == 1) {
      StoreAs(dtype, p.y, y_at + i, all.sum[0] / all.weight * v_scale);
      continue;
    }
    p.sums[part_at * p.d + i] = all.sum[0];
    if (i == 0) p.stats[2 * part_at] = all.max, p.stats[2 * part_at + 1] = all.weight;
  }
  if (part.parts == 1) return;
  if (!IsLastPart(p.counters + query.sequence * p.hq + head, part.parts)) return;
  for (int i = threadIdx.x; i < p.d; i += kThreads) {
    const auto x = AddParts<ExpFn, 1>(p, query.sequence, head, part.parts, i);
    StoreAs(dtype, p.y, y_at + i, x.at[0] * v_scale);
  }
}

template <class C, int kCount, int kElements>
void Start(const Queue& queue, const AttentionParams& p, DType dtype) {
  const auto rows = static_cast<unsigned>(p.rows);
  const auto sequences = static_cast<unsigned>(p.sequences);
  const auto heads = static_cast<unsigned>(p.hq);
  if (queue.bounds.max_query != 1) {
    Launch(queue, AttentionKernel<C, kCount, kElements, false>, dim3(rows, heads), kThreads, 0, p,
           dtype);
  }
  Launch(queue, AttentionKernel<C, kCount, kElements, true>,
         dim3(static_cast<unsigned>(p.max_parts), heads, sequences), kThreads, 0, p, dtype);
}

template <class C, int kCount>
void StartForHead(const Queue& queue, const AttentionParams& p, DType dtype) {
  if (p.d <= 128) return Start<C, kCount, 128 / kWarp>(queue, p, dtype);
  return Start<C, kCount, kMaxHeadDim / kWarp>(queue, p, dtype);
}

void RunAttention(const KernelCall& call) {
  const Queue& queue = QueueOf(call);
  const AttentionArgs args = ReadAttention(call);
  RW_CHECK(args.d <= kMaxHeadDim, "heads of {}", args.d);
  const AttentionParams p = MakeAttentionParams(queue, args);
#if !defined(__HIP_PLATFORM_AMD__)
  if (cuda::RunAttentionMma(queue, args, p)) return;
#endif
  WithCacheType(args.kv.dtype, [&]<class C>(C) {
    if (KeysPack(args.kv)) return StartForHead<C, kPack<C>>(queue, p, args.q.dtype);
    StartForHead<C, 1>(queue, p, args.q.dtype);
  });
}

constexpr KernelRow kRows[] = {{"attention", kDevice, kProvider, AcceptsAttention, RunAttention}};

}  // namespace

std::span<const KernelRow> AttentionRows() { return kRows; }

}  // namespace rw::gpu
