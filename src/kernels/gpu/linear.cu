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
#include "kernels/gpu/linear_skinny_outputs.cuh"
#include "kernels/gpu/linear_skinny_start.cuh"
#include "kernels/gpu/linear_tiles.cuh"

namespace rw::gpu {
namespace {

#if !defined(__HIP_PLATFORM_AMD__)

static_assert(skinny::kMaxTokens == kSkinnyTokens);

void RunSkinny(const Queue& queue, std::span<const LinearArgs> products) {
  skinny::Start<false>(queue, products, nullptr, skinny::RowsOutputOf(products));
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
    Way{kSkinnyTokens, skinny::Fits, RunSkinny},
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
