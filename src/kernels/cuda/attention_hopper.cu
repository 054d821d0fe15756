// Prefill attention on compute capability 9.0: the kernel, and whether it is there.
#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "kernels/cuda/attention_hopper.cuh"
#include "kernels/cuda/attention_hopper_producer.cuh"

namespace rw::cuda {
namespace {

// The file is built for all architectures, the code below for 9.0a only. Elsewhere the kernel is
// bound to a block of one thread, by which the host knows it.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define RW_HOPPER 1
#else
#define RW_HOPPER 0
#endif

// Grid: as many blocks as run at a time, which share the tasks out: `tiles` tiles of rows of each
// kv head, the last first, since they have the most keys.
template <class T, int kD>
__global__ void __launch_bounds__(RW_HOPPER ? Hopper<T, kD>::kThreads : 1, 1)
    HopperKernel(const AttentionParams p, const __grid_constant__ CUtensorMap k,
                 const __grid_constant__ CUtensorMap v, int tiles) {
#if RW_HOPPER
  using P = Hopper<T, kD>;
  extern __shared__ std::byte dynamic[];
  __shared__ typename P::Shared shared;
  if (threadIdx.x == 0) shared.Init();
  __syncthreads();
  gpu::WaitForPrevious();
  const uint32_t memory =
      (SharedAddress(dynamic) + P::kAlignment - 1) / P::kAlignment * P::kAlignment;
  const int group =
      __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / kWarpgroupThreads, 0) - 1;
  if (group < 0) {
    GiveRegisters<P::kProducerRegisters>();
    if (threadIdx.x < 32) HopperProducer<P>::Produce(p, k, v, shared, memory, tiles);
  } else {
    TakeRegisters<P::kConsumerRegisters>();
    P::Consume(p, shared, memory, group);
  }
#endif
}

// Whether the kernel was built for this device.
template <auto kKernel>
bool IsBuilt() {
  static std::array<std::atomic<int8_t>, 64> known{};  // 0: not asked yet; of each device
  int device = 0;
  cudaGetDevice(&device);
  std::atomic<int8_t>& mine = known[static_cast<size_t>(device) % known.size()];
  if (mine.load(std::memory_order_relaxed) == 0) {
    cudaFuncAttributes attributes{};
    const bool built = cudaFuncGetAttributes(&attributes, kKernel) == cudaSuccess &&
                       attributes.maxThreadsPerBlock > 1;
    mine.store(built ? 1 : -1, std::memory_order_relaxed);
  }
  return mine.load(std::memory_order_relaxed) > 0;
}

// cuTensorMapEncodeTiled of the driver, asked for here so that nothing links against the driver;
// null where it has none.
auto TensorMapEncoder() {
  static const auto encode = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result{};
    cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault,
                                     &result);
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
  }();
  return encode;
}

// Keys or values as a tensor of [pages, heads, tokens, elements], copied by the page of one head
// and the columns of a tile.
bool DescribeCache(const AttentionArgs& args, std::byte* plane, CUtensorMap& map) {
  const KvLayerView& kv = args.kv;
  const auto bytes = [](int64_t elements) { return static_cast<cuuint64_t>(elements * 2); };
  const cuuint64_t dims[] = {static_cast<cuuint64_t>(kv.head_dim), kPageSize,
                             static_cast<cuuint64_t>(kv.heads), static_cast<cuuint64_t>(kv.pages)};
  const cuuint64_t strides[] = {bytes(kv.token_stride), bytes(kv.head_stride),
                                bytes(kv.page_stride)};
  const cuuint32_t box[] = {kSwizzleBytes / 2, kPageSize, 1, 1};
  const cuuint32_t steps[] = {1, 1, 1, 1};
  const auto type =
      kv.dtype == DType::kBF16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  return TensorMapEncoder()(&map, type, 4, plane, dims, strides, box, steps,
                            CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                            CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                            CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

template <class T, int kD>
bool Start(const gpu::Queue& queue, const AttentionArgs& args, const AttentionParams& p) {
  using P = Hopper<T, kD>;
  constexpr auto kKernel = HopperKernel<T, kD>;
  if (!IsBuilt<kKernel>() || TensorMapEncoder() == nullptr) return false;
  CUtensorMap k, v;
  if (!DescribeCache(args, args.kv.k, k) || !DescribeCache(args, args.kv.v, v)) return false;
  AllowShared<kKernel>(P::kSharedBytes);
  const int tiles = PrefillTiles(p, P::kRows);
  const int64_t blocks =
      std::min<int64_t>(int64_t{tiles} * (p.hq / p.group), queue.multiprocessors);
  gpu::Launch(queue, kKernel, dim3(static_cast<unsigned>(blocks)), P::kThreads, P::kSharedBytes, p,
              k, v, tiles);
  return true;
}

}  // namespace

bool RunAttentionHopper(const gpu::Queue& queue, const AttentionArgs& args,
                        const AttentionParams& p) {
  if (args.kv.dtype != args.q.dtype) return false;
  bool done = false;
  WithHeadWidth(p.d, [&]<int kD>(std::integral_constant<int, kD>) {
    done = args.q.dtype == DType::kBF16 ? Start<BF16, kD>(queue, args, p)
                                        : Start<F16, kD>(queue, args, p);
  });
  return done;
}

}  // namespace rw::cuda
