#include <algorithm>
#include <span>
#include <vector>

#include "kernels/args.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/simd/work.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/packed.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/packed_tile-inl.h"
#include "kernels/cpu/simd/products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

constexpr int64_t kPackedBlock = 40 * kPackedTokens;  // tokens packed at a time
// Strips that pass by a tile of tokens while it is in the L1 cache.
constexpr int64_t kStripsTogether = 4;

// A block of packed tokens.
struct XBlock : Tiles<kPackedTokens> {
  const float* words;
  int64_t groups;  // of x, up to the end of the widest unit

  XTile Tile(int64_t tile) const {
    return XTileAt(words + XTileWords(groups, Begin(tile)), groups, Width(tile));
  }
};

// fn(integral_constant) of a width of 1 .. kMost known at run time.
template <int kMost, class Fn>
HWY_INLINE void WithWidth(int64_t width, const Fn& fn) {
  Unroll<kMost>([&](auto i) RW_INLINED {
    if (width == i + 1) fn(std::integral_constant<int, i + 1>());
  });
}

// `strips` strips from `strip` on; y[strip][token][16 rows].
template <PackedLayout L>
void RunStrips(const std::byte* strip, int64_t strips, int64_t k, const XBlock& x, float* y) {
  const int64_t groups = L.Units(k) * L.unit / kXGroup;
  const int64_t bytes = L.StripBytes(k);
  const int64_t sums = x.count * kStripRows;
  if (x.count <= kStreamTokens) {
    WithWidth<kStreamTokens>(x.count, [&](auto tokens) RW_INLINED {
      for (int64_t s = 0; s < strips; ++s) {
        StreamStrip<L, tokens>(strip + s * bytes, x.Tile(0), groups, y + s * sums);
      }
    });
    return;
  }
  Panel panels[kStripsTogether];
  std::fill_n(y, strips * sums, 0.0f);
  for (int64_t first = 0; first < groups; first += Panel::kGroups) {
    const int64_t count = std::min(Panel::kGroups, groups - first);
    for (int64_t s = 0; s < strips; ++s) FillPanel<L>(strip + s * bytes, first, count, panels[s]);
    for (int64_t tile = 0; tile < x.tiles(); ++tile) {
      const int64_t width = x.Width(tile);
      const XTile at = x.Tile(tile).From(first, width);
      WithWidth<kPackedTokens>(width, [&](auto tokens) RW_INLINED {
        for (int64_t s = 0; s < strips; ++s) {
          RunPanel<L, tokens>(panels[s], at, count, y + s * sums + x.Begin(tile) * kStripRows);
        }
      });
    }
  }
}

using StripsFn = void (*)(const std::byte* strip, int64_t strips, int64_t k, const XBlock& x,
                          float* y);
constexpr auto kStripsFns = []<size_t... I>(std::index_sequence<I...>) {
  return std::array<StripsFn, sizeof...(I)>{&RunStrips<kPackedLayouts[I]>...};
}
(std::make_index_sequence<kPackedLayouts.size()>());

// Strips [begin, end) of one product.
void RunProduct(const LinearArgs& args, const XBlock& x, int64_t begin, int64_t end) {
  const StripsFn run = kStripsFns[PackedIndex(args.w.dtype)];
  const int64_t bytes = LayoutOf(args.w.dtype).StripBytes(args.k);
  const int64_t size = x.count * kStripRows;  // sums of a strip
  float* sums = ScratchFloats(Scratch::kTile, kStripsTogether * size + kStripRows);
  float* bias = sums + kStripsTogether * size;
  for (int64_t strip = begin; strip < end; strip += kStripsTogether) {
    const int64_t strips = std::min(kStripsTogether, end - strip);
    run(args.w.data + strip * bytes, strips, args.k, x, sums);
    for (int64_t s = 0; s < strips; ++s) {
      const int64_t row = (strip + s) * kStripRows;
      WriteSums(args, x.first, x.count, row, std::min(kStripRows, args.m - row), sums + s * size,
                kStripRows, bias);
    }
  }
}

void PackBlock(const LinearArgs& any, ThreadPool& pool, XBlock& x) {
  float* words = ScratchFloats(Scratch::kOperand, XTileWords(x.groups, x.count));
  x.words = words;
  WithFloatType(any.x.dtype, [&]<class T>(T) {
    pool.ParallelFor(x.tiles(), RowsPerTask(kPackedTokens * any.k),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t tile = begin; tile < end; ++tile) {
                         for (int64_t t = 0; t < x.Width(tile); ++t) {
                           PackX(any.x.row<const T>(x.first + x.Begin(tile) + t), any.k, x.groups,
                                 x.Width(tile), t, words + XTileWords(x.groups, x.Begin(tile)));
                         }
                       }
                     });
  });
}

int64_t Strips(const LinearArgs& args) { return LayoutOf(args.w.dtype).Strips(args.m); }

void PackedLinear(const KernelCall& call) {
  const std::vector<LinearArgs> products = ReadLinear(call);
  const LinearArgs& any = products.front();
  int64_t strips = 0;
  int64_t k = 0;  // up to the end of the widest unit
  for (const LinearArgs& args : products) {
    const PackedLayout& layout = LayoutOf(args.w.dtype);
    strips += Strips(args);
    k = std::max(k, layout.Units(args.k) * layout.unit);
  }
  const int64_t blocks = (any.n + kPackedBlock - 1) / kPackedBlock;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t first = any.n * b / blocks;
    XBlock x{{first, any.n * (b + 1) / blocks - first}, nullptr, k / kXGroup};
    PackBlock(any, call.pool, x);
    const int64_t grain = RowsPerTask(kStripRows * any.k * x.count / 4);
    call.pool.ParallelFor(strips, grain, [&](int64_t begin, int64_t end) {
      ForProducts(
          products, begin, end, Strips,
          [&](const LinearArgs& args, int64_t from, int64_t to) { RunProduct(args, x, from, to); });
    });
  }
}

#else  // no vectors: the reference
using reference::PackedLinear;
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {

HWY_EXPORT(PackedLinear);

void PackedLinear(const KernelCall& call) {
  HWY_DYNAMIC_DISPATCH(PackedLinear)
  (call);
}

}  // namespace rw::simd
#endif  // HWY_ONCE
