// Matrix products: linear and the fused ops that take several products of one x.
#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "kernels/args.h"
#include "kernels/gpu/gpu.h"
#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/linear.h"
#include "kernels/gpu/linear_dots.cuh"
#include "kernels/gpu/linear_skinny.cuh"
#include "kernels/gpu/linear_tiles.cuh"

namespace rw::gpu {
namespace {

#if !defined(__HIP_PLATFORM_AMD__)

static_assert(skinny::kMaxTokens == kSkinnyTokens);

// The most that a block may ask for on this device.
int64_t SharedLimit() {
  static const int64_t limit = [] {
    int device = 0, bytes = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    return int64_t{bytes};
  }();
  return limit;
}

// Shared memory of a block for x of `steps` steps.
int64_t SkinnyBytes(int slots, int64_t n, int64_t steps) {
  const int64_t x = n * (steps * skinny::kStepDepth + skinny::kXGap) * 2;
  const int64_t partial = 2 * skinny::kWarps * n * skinny::kSumPitch * int64_t{sizeof(float)};
  return skinny::RingBytes(slots) + x + partial;
}

int Slots() {
  const bool many = SkinnyBytes(skinny::kManySlots, kSkinnyTokens, 1) <= SharedLimit();
  return many ? skinny::kManySlots : skinny::kFewSlots;
}

// Looks at W and the types only: a token must not see by whom it is computed. So the memory has to
// do for the most tokens too.
bool FitsSkinny(const LinearArgs& args) {
  if (args.x.dtype != args.w.dtype || SizeOf(args.w.dtype) != 2) return false;
  return Packs<BF16, kPack<BF16>>(args.w) &&
         SkinnyBytes(Slots(), kSkinnyTokens, 1) <= SharedLimit();
}

template <class T, int kCount, int kSlots>
void StartSkinny(const Queue& queue, const skinny::Params& p) {
  constexpr auto kKernel = skinny::Kernel<T, kCount, kSlots>;
  [[maybe_unused]] static const auto allowed = cudaFuncSetAttribute(
      kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(SharedLimit()));
  const auto grid = static_cast<unsigned>(std::min(p.tiles, queue.multiprocessors));
  const auto shared = static_cast<size_t>(SkinnyBytes(kSlots, p.n, p.chunk_steps));
  Launch(queue, kKernel, grid, skinny::kThreads, shared, p);
}

template <class T, int kCount>
void StartSkinny(const Queue& queue, const skinny::Params& p) {
  if (Slots() == skinny::kManySlots) return StartSkinny<T, kCount, skinny::kManySlots>(queue, p);
  StartSkinny<T, kCount, skinny::kFewSlots>(queue, p);
}

void RunSkinny(const Queue& queue, std::span<const LinearArgs> products) {
  const LinearArgs& any = products.front();
  skinny::Params p{.part_count = static_cast<int>(products.size()),
                   .x = any.x.data,
                   .x_stride = any.x.row_stride,
                   .x_packs = Packs<BF16, kPack<BF16>>(any.x),
                   .n = static_cast<int>(any.n),
                   .k = static_cast<int>(any.k)};
  for (size_t i = 0; i < products.size(); ++i) {
    const LinearArgs& args = products[i];
    p.parts[i] = {args.w.data, args.w.row_stride, static_cast<int>(args.m), p.tiles,
                  OutputOf(args)};
    p.tiles += static_cast<int>(CeilDiv(args.m, skinny::kRows));
  }
  // As few chunks of k as shared memory allows, of nearly equal length.
  p.steps = static_cast<int>(CeilDiv(any.k, skinny::kStepDepth));
  p.chunk_steps = p.steps;
  for (int chunks = 2; SkinnyBytes(Slots(), any.n, p.chunk_steps) > SharedLimit(); ++chunks) {
    p.chunk_steps = static_cast<int>(CeilDiv(p.steps, chunks));
  }
  p.x_pitch = p.chunk_steps * skinny::kStepDepth + skinny::kXGap;
  const bool wide = any.n > 8;
  if (any.w.dtype == DType::kBF16) {
    wide ? StartSkinny<BF16, 2>(queue, p) : StartSkinny<BF16, 1>(queue, p);
  } else {
    wide ? StartSkinny<F16, 2>(queue, p) : StartSkinny<F16, 1>(queue, p);
  }
}

#endif

bool FitsDots(const LinearArgs& args) {
  bool fits = false;
  WithFloatType(args.w.dtype, [&]<class W>(W) { fits = Packs<W, kPack<W>>(args.w); });
  return fits;
}

template <class X, class W, int kTokens, int kRows>
void StartDots(const Queue& queue, const dots::Params& p) {
  const dim3 grid(static_cast<unsigned>(CeilDiv(p.m, dots::kWarps * kRows)),
                  static_cast<unsigned>(CeilDiv(p.n, kTokens)));
  Launch(queue, dots::Kernel<X, W, kTokens, kRows>, grid, dots::kThreads, 0, p);
}

void RunDots(const Queue& queue, std::span<const LinearArgs> products) {
  for (const LinearArgs& args : products) {
    WithFloatType(args.x.dtype, [&]<class X>(X) {
      WithFloatType(args.w.dtype, [&]<class W>(W) {
        const dots::Params p{.x = args.x.data,
                             .w = args.w.data,
                             .x_stride = args.x.row_stride,
                             .w_stride = args.w.row_stride,
                             .x_packs = Packs<X, kPack<W>>(args.x),
                             .n = static_cast<int>(args.n),
                             .m = static_cast<int>(args.m),
                             .k = static_cast<int>(args.k),
                             .out = OutputOf(args)};
        p.n == 1 ? StartDots<X, W, 1, 2>(queue, p) : StartDots<X, W, 8, 4>(queue, p);
      });
    });
  }
}

bool FitsTiles(const LinearArgs&) { return true; }

void RunTiles(const Queue& queue, std::span<const LinearArgs> products) {
  for (const LinearArgs& args : products) {
    const tiles::Params p{.x = args.x.data,
                          .w = args.w.data,
                          .x_stride = args.x.row_stride,
                          .w_stride = args.w.row_stride,
                          .n = static_cast<int>(args.n),
                          .m = static_cast<int>(args.m),
                          .k = static_cast<int>(args.k),
                          .out = OutputOf(args)};
    const dim3 grid(static_cast<unsigned>(CeilDiv(args.m, tiles::kSide)),
                    static_cast<unsigned>(CeilDiv(args.n, tiles::kSide)));
    WithFloatType(args.x.dtype, [&]<class X>(X) {
      WithFloatType(args.w.dtype, [&]<class W>(W) {
        Launch(queue, tiles::Kernel<X, W>, grid, tiles::kThreads, 0, p);
      });
    });
  }
}

// Ways to compute products, best first. The first that fits is taken; of several products of one
// x, those that follow each other and fit the same one go together.
struct Way {
  int64_t most_tokens;
  bool (*fits)(const LinearArgs& args);
  void (*run)(const Queue& queue, std::span<const LinearArgs> products);
};
constexpr std::array kWays = {
#if !defined(__HIP_PLATFORM_AMD__)
    Way{kSkinnyTokens, FitsSkinny, RunSkinny},
#endif
    Way{kSkinnyTokens, FitsDots, RunDots},
    Way{std::numeric_limits<int64_t>::max(), FitsTiles, RunTiles},
};

const Way& WayFor(const LinearArgs& args) {
  return *std::ranges::find_if(
      kWays, [&](const Way& way) { return args.n <= way.most_tokens && way.fits(args); });
}

void Run(const KernelCall& call) { RunLinear(QueueOf(call), ReadLinear(call)); }

constexpr std::array kRows = {
    KernelRow{"linear", kDevice, kProvider, AcceptsLinear, Run},
    KernelRow{"linear2", kDevice, kProvider, AcceptsLinear2, Run},
    KernelRow{"linear3", kDevice, kProvider, AcceptsLinear3, Run},
};

}  // namespace

void RunLinear(const Queue& queue, std::span<const LinearArgs> products) {
  if (products.empty() || products.front().n == 0) return;
  while (!products.empty()) {
    const Way& way = WayFor(products.front());
    size_t count = 1;
    while (count < products.size() && &WayFor(products[count]) == &way) ++count;
    way.run(queue, products.first(count));
    products = products.subspan(count);
  }
}

std::span<const KernelRow> LinearRows() { return kRows; }

}  // namespace rw::gpu
