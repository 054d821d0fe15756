// Decode attention on tensor cores: the kernel, and the choice of one.
#include "kernels/cuda/attention_decode.cuh"

namespace rw::cuda {
namespace {

// Grid: parts; kv heads times blocks of kQueries of their query heads; sequences.
template <class T, class C, int kD, int kTiles>
__global__ void __launch_bounds__(kDecodeThreads) DecodeKernel(AttentionParams p) {
  using D = Decode<T, C, kD, kTiles>;
  extern __shared__ __align__(16) std::byte shared[];
  gpu::WaitForPrevious();
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int index = blockIdx.x;
  const int sequence = blockIdx.z;
  const int32_t* table = p.table + sequence * p.table_stride;
  // The ids of this warp's pages if the parts are of the smallest size, read before that is known.
  const int likely = index * gpu::kMinPartPages + warp + lane * kDecodeWarps;
  const int likely_id =
      lane < gpu::kMinPartPages / kDecodeWarps ? gpu::PageAt(p, table, likely) : -1;
  const int row = p.qstart[sequence];
  const int row_end = p.qstart[sequence + 1];
  const int length = p.len[sequence];
  if (row_end - row != 1 || length <= 0 || row >= p.rows) return;
  const gpu::Part part = gpu::FindPart(p, length - 1, index);
  if (part.parts == 0) return;

  const int blocks = (p.group + D::kQueries - 1) / D::kQueries;  // of a kv head
  const int kv_head = static_cast<int>(blockIdx.y) / blocks;
  const int first_head = static_cast<int>(blockIdx.y) % blocks * D::kQueries;
  const int heads = min(p.group - first_head, D::kQueries);
  const int head = kv_head * p.group + first_head;

  const int first = part.first_page + warp;
  const int count = max(0, (part.last_page - first + kDecodeWarps - 1) / kDecodeWarps);
  typename D::Pages pages{
      p,     table, part, kv_head,
      first, count, 0,    SharedAddress(shared) + warp * kDecodeStages * D::kStageBytes};
  const bool was_likely =
      first == index * gpu::kMinPartPages + warp && count <= gpu::kMinPartPages / kDecodeWarps;
  pages.ids = was_likely ? likely_id : pages.IdAt(lane);
#pragma unroll
  for (int i = 0; i < kDecodeStages; ++i) pages.Copy(i);
  uint32_t q[kTiles][D::kSteps][2];
  D::LoadQueries(p, static_cast<const T*>(p.q) + row * p.q_stride + int64_t{head} * p.d, heads, q);
  const float factor = ScoreFactor(p, kv_head);

  typename D::Running running;
  for (int i = 0; i < count; ++i) {
    const uint32_t page = pages.Stage(i);
    WaitForCopies<2 * kDecodeStages - 1>();
    __syncwarp();
    float scores[kTiles][4] = {};
    uint32_t weights[kTiles][2];
    D::Running::Score(page, q, scores);
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      running.Weigh(factor, p.softcap, part, (first + i * kDecodeWarps) * gpu::kPageRows, t,
                    scores[t], weights[t]);
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

  T* y = static_cast<T*>(p.y) + row * p.y_stride + int64_t{head} * p.d;
  const float v_scale = gpu::CacheScale(p.v_scale, kv_head);
  const int fours = p.d / 4;
  const int64_t part_at = gpu::PartIndex(p, sequence, index, head);
  for (int at = threadIdx.x; at < heads * fours; at += kDecodeThreads) {
    const int query = at / fours;
    const int i = at % fours * 4;
    const auto all = D::AddWarps(results, query, i);
    if (part.parts == 1) {
      D::StoreFour(y + query * p.d + i, all.sum, v_scale / all.weight);
      continue;
    }
    gpu::StorePack(p.sums + (part_at + query) * p.d + i, all.sum);
    if (i == 0)
      gpu::StorePack(p.stats + 2 * (part_at + query), gpu::Pack<float, 2>{all.max, all.weight});
  }
  if (part.parts == 1) return;
  if (!gpu::IsLastPart(p.counters + sequence * gridDim.y + blockIdx.y, part.parts)) return;
  for (int at = threadIdx.x; at < heads * fours; at += kDecodeThreads) {
    const int query = at / fours;
    const int i = at % fours * 4;
    const auto sum = gpu::AddParts<Exp2Fn, 4>(p, sequence, head + query, part.parts, i);
    D::StoreFour(y + query * p.d + i, sum, v_scale);
  }
}

template <class T, class C, int kD, int kTiles>
void StartDecode(const gpu::Queue& queue, const AttentionParams& p) {
  using D = Decode<T, C, kD, kTiles>;
  AllowShared<DecodeKernel<T, C, kD, kTiles>>(D::kSharedBytes);
  const int64_t blocks = p.hq / p.group * gpu::CeilDiv(p.group, D::kQueries);
  const dim3 grid(static_cast<unsigned>(p.max_parts), static_cast<unsigned>(blocks),
                  static_cast<unsigned>(p.sequences));
  gpu::Launch(queue, DecodeKernel<T, C, kD, kTiles>, grid, kDecodeThreads, D::kSharedBytes, p);
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
