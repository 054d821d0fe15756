// Which calls of attention go to tensor cores.
#include "kernels/cuda/attention_mma.h"
#include "kernels/gpu/launch.cuh"

namespace rw::cuda {
namespace {

bool Accepts(const AttentionArgs& args) {
  const DType t = args.q.dtype;
  if (t != DType::kBF16 && t != DType::kF16) return false;
  if (args.kv.dtype != t && args.kv.dtype != DType::kF8E4M3) return false;
  // Copies of 16 bytes; and the largest raw score must be the largest score.
  return args.d <= 256 && args.d % 8 == 0 && args.scale > 0 && gpu::KeysPack(args.kv) &&
         gpu::Packs<BF16, 8>(args.q) && gpu::Packs<BF16, 8>(args.y);
}

}  // namespace

bool RunAttentionMma(const gpu::Queue& queue, const AttentionArgs& args,
                     const gpu::AttentionParams& p) {
  if (!Accepts(args)) return false;
  if (queue.bounds.max_query != 1 && !RunAttentionHopper(queue, args, p)) {
    RunAttentionPrefill(queue, args, p);
  }
  RunAttentionDecode(queue, args, p);
  return true;
}

}  // namespace rw::cuda
