// Prefill attention on tensor cores: the kernel, and the choice of one.
#include "kernels/cuda/attention_prefill.cuh"

namespace rw::cuda {
namespace {

// Grid: kv heads; tiles of rows, the last first, since they have the most keys.
template <class T, class C, int kD>
__global__ void __launch_bounds__(kPrefillThreads) PrefillKernel(AttentionParams p) {
  using P = Prefill<T, C, kD>;
  extern __shared__ __align__(16) std::byte shared[];
  gpu::WaitForPrevious();
  __shared__ PrefillTask task;  // registers are short
  if (threadIdx.x < 32) {
    const int tile = static_cast<int>(gridDim.y - 1 - blockIdx.y);
    const PrefillTask found = FindTask(p, P::kRows, tile, static_cast<int>(blockIdx.x));
    if (threadIdx.x == 0) task = found;
  }
  __syncthreads();
  if (task.rows == 0) return;

  const uint32_t queries = SharedAddress(shared);
  const uint32_t tiles = queries + P::kTilesAt;
  const uint32_t raw = queries + P::kRawAt;
  const int warp_row = static_cast<int>(threadIdx.x) / 32 * P::kWarpRows;
  // Positions of the warp's first and last query; -1: it has none.
  const int lowest = task.Position(p, task.first + warp_row);
  const int highest = task.first + warp_row < task.rows
                          ? task.Position(p, task.first + warp_row + P::kWarpRows - 1)
                          : -1;
  const float factor = ScoreFactor(p, task.kv_head);
  typename P::Running running;

  const int begin = task.begin / P::kKeys * P::kKeys;
  const auto copy = [&](int position) {
    const uint32_t stage = P::kFp8 ? raw : tiles + position / P::kKeys % 2 * (2 * P::kTileBytes);
    const uint32_t values = stage + (P::kFp8 ? P::kKeys * P::kRawBytes : P::kTileBytes);
    P::CopyTile(p, task, position, stage, values);
    CommitCopies();
  };
  P::CopyQueries(p, task, queries);
  copy(begin);
  for (int position = begin; position < task.end; position += P::kKeys) {
    WaitForCopies<0>();
    __syncthreads();  // the tile is there, and the one before is done with
    if constexpr (P::kFp8) {
      P::WidenTiles(shared + P::kRawAt, shared + P::kTilesAt);
      __syncthreads();
    }
    if (position + P::kKeys < task.end) copy(position + P::kKeys);
    if (position > highest || position + P::kKeys <= gpu::WindowBegin(p, lowest)) continue;
    const uint32_t keys = P::kFp8 ? tiles : tiles + position / P::kKeys % 2 * (2 * P::kTileBytes);
    typename P::Scores scores = {};
    P::Score(queries + warp_row * P::kRowBytes, keys, scores);
    if (p.softcap > 0) P::Cap(Softcap(factor, p.softcap), scores);
    if (position + P::kKeys - 1 > lowest || position < gpu::WindowBegin(p, highest)) {
      P::Mask(p, task, warp_row, position, scores);
    }
    P::Weigh(p.softcap > 0 ? 1.0f : factor, scores, running);
    P::Add(keys + P::kTileBytes, scores, running);
  }
  if (highest >= 0) P::Store(p, task, warp_row, shared, running);
}

template <class T, class C, int kD>
void StartPrefill(const gpu::Queue& queue, const AttentionParams& p) {
  using P = Prefill<T, C, kD>;
  AllowShared<PrefillKernel<T, C, kD>>(P::kSharedBytes);
  const dim3 grid(static_cast<unsigned>(p.hq / p.group),
                  static_cast<unsigned>(PrefillTiles(p, P::kRows)));
  gpu::Launch(queue, PrefillKernel<T, C, kD>, grid, kPrefillThreads, P::kSharedBytes, p);
}

template <class T, class C>
void RunPrefill(const gpu::Queue& queue, const AttentionParams& p) {
  WithHeadWidth(p.d,
                [&]<int kD>(std::integral_constant<int, kD>) { StartPrefill<T, C, kD>(queue, p); });
}

}  // namespace

void RunAttentionPrefill(const gpu::Queue& queue, const AttentionArgs& args,
                         const AttentionParams& p) {
  const bool fp8 = args.kv.dtype == DType::kF8E4M3;
  if (args.q.dtype == DType::kBF16) {
    return fp8 ? RunPrefill<BF16, F8E4M3>(queue, p) : RunPrefill<BF16, BF16>(queue, p);
  }
  fp8 ? RunPrefill<F16, F8E4M3>(queue, p) : RunPrefill<F16, F16>(queue, p);
}

}  // namespace rw::cuda
