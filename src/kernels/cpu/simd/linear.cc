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
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/linear.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/dot_tile-inl.h"
#include "kernels/cpu/simd/products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

constexpr int64_t kBlockRows = 64;     // rows of W whose depth block stays in the L2 cache
constexpr int64_t kBlockTokens = 384;  // tokens packed at a time
constexpr int64_t kExpandTiles = 8;    // from here on, weights become floats once for many tiles
constexpr int64_t kCachedTiles = 32;   // whose depth block stays in the L2 cache

// A block of packed tokens.
struct Tokens : Tiles<kTileTokens> {
  const float* packed[2];  // for weights that are paired (1) or not (0); null: there are none
  Depth depth;
};

template <bool kPairs, class T>
void PackTiles(const LinearArgs& args, const Tokens& tokens, float* packed, int64_t begin,
               int64_t end) {
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t first = tokens.Begin(tile);
    const int64_t width = tokens.Width(tile);
    for (int64_t t = 0; t < width; ++t) {
      PackToken<kPairs>(args.x.row<const T>(tokens.first + first + t), args.k, width, t,
                        packed + first * tokens.depth.padded);
    }
  }
}

// As many tiles of kRows rows as fit before `end`; returns the row after them.
template <int kRows, int kMaxTokens, class W>
int64_t RunTiles(int64_t width, int64_t row, int64_t end, TileCall<W>& call) {
  for (; row + kRows <= end; row += kRows) {
    RunTile<W, kRows, kMaxTokens>(width, call);
    call.w += kRows * call.w_stride;
    call.c += kRows;
  }
  return row;
}

// A depth block of some rows of W.
template <class W>
struct Rows {
  const W* w;
  int64_t stride;
  int64_t count;
  int64_t k0;          // where the block begins in k
  int64_t depth;       // its elements
  const W* ahead = w;  // as in TileCall; w: it is in the cache already
};
template <class W>
Rows<W> RowsOf(const LinearArgs& args, const Depth& depth, int64_t begin, int64_t end, int64_t k0) {
  return {args.w.row<const W>(begin) + k0, args.w.row_stride, end - begin, k0,
          std::min(depth.block, args.k - k0)};
}

// Sums of the rows with a tile of tokens; c[token][row].
template <class W>
void RunRows(const Tokens& tokens, const Rows<W>& rows, int64_t tile, float* c) {
  const int64_t first = tokens.Begin(tile);
  const int64_t width = tokens.Width(tile);
  TileCall<W> call{
      .w = rows.w,
      .w_stride = rows.stride,
      .ahead = rows.ahead,
      .panel = tokens.packed[kPaired<W>] + first * tokens.depth.padded + rows.k0 * width,
      .depth = rows.depth,
      .c = c + first * kBlockRows,
      .c_stride = kBlockRows,
      .add = rows.k0 > 0};
  int64_t row = 0;
  if (width <= kTallTokens) row = RunTiles<kTallRows, kTallTokens>(width, row, rows.count, call);
  row = RunTiles<kTileRows, kTileTokens>(width, row, rows.count, call);
  RunTiles<1, kTileTokens>(width, row, rows.count, call);
}

// One tile of tokens: memory bounds the work, so every row of W is read once and from end to end,
// a few rows beside each other, while the next few are fetched in the order of their addresses
// (which measures faster than leaving eight streams to the processor).
template <class W>
void RunStreaming(const LinearArgs& args, const Tokens& tokens, int64_t begin, int64_t end,
                  float* c) {
  const int64_t rows = tokens.count <= kTallTokens ? kTallRows : kTileRows;
  for (int64_t row = begin; row < end; row += rows) {
    const int64_t row_end = std::min(row + rows, end);
    const W* ahead = args.w.row<const W>(row_end);
    for (int64_t k0 = 0; k0 < args.k; k0 += tokens.depth.block) {
      Rows<W> block = RowsOf<W>(args, tokens.depth, row, row_end, k0);
      block.ahead = ahead + rows * k0;
      RunRows(tokens, block, 0, c + row - begin);
    }
  }
}

// Weights in the order of tokens that are not paired, as floats.
template <class W>
Rows<float> Expanded(const Rows<W>& rows, float* to) {
  const int64_t stride = RoundUp(rows.depth, kStep);
  for (int64_t r = 0; r < rows.count; ++r) {
    Map(
        rows.depth, to + r * stride, [](VF w) RW_INLINED { return w; }, rows.w + r * rows.stride);
  }
  return {to, stride, rows.count, rows.k0, rows.depth};
}

// Many tiles: arithmetic bounds the work. What they read again and again is a few rows of W, made
// floats once, which stay in the L1 cache while tokens pass by from the L2 cache.
template <class W>
void RunExpanded(const LinearArgs& args, const Tokens& tokens, int64_t begin, int64_t end,
                 float* c) {
  alignas(64) float expanded[kTileRows * kMaxDepth];
  for (int64_t k0 = 0; k0 < args.k; k0 += tokens.depth.block) {
    for (int64_t first = 0; first < tokens.tiles(); first += kCachedTiles) {
      const int64_t last = std::min(first + kCachedTiles, tokens.tiles());
      for (int64_t row = begin; row < end; row += kTileRows) {
        const int64_t row_end = std::min(row + kTileRows, end);
        const Rows<float> rows =
            Expanded(RowsOf<W>(args, tokens.depth, row, row_end, k0), expanded);
        for (int64_t tile = first; tile < last; ++tile) {
          RunRows(tokens, rows, tile, c + row - begin);
        }
      }
    }
  }
}

// Columns [begin, end) of y, at most kBlockRows, for a block of tokens.
template <class W>
void RunBlock(const LinearArgs& args, const Tokens& tokens, int64_t begin, int64_t end) {
  float* c = ScratchFloats(Scratch::kTile, kBlockRows * (tokens.count + 1));
  if (tokens.tiles() == 1) {
    RunStreaming<W>(args, tokens, begin, end, c);
  } else if (tokens.tiles() >= kExpandTiles && !kPaired<W>) {
    RunExpanded<W>(args, tokens, begin, end, c);
  } else {  // a tile of tokens stays in the L1 cache while the rows pass by
    for (int64_t k0 = 0; k0 < args.k; k0 += tokens.depth.block) {
      for (int64_t tile = 0; tile < tokens.tiles(); ++tile) {
        RunRows(tokens, RowsOf<W>(args, tokens.depth, begin, end, k0), tile, c);
      }
    }
  }
  WriteSums(args, tokens.first, tokens.count, begin, end - begin, c, kBlockRows,
            c + kBlockRows * tokens.count);
}

// Packs x once for all products; twice if some weights are paired and some are not, because the
// order of a product's sum shall not depend on its company.
template <class T>
void PackTokens(std::span<const LinearArgs> products, ThreadPool& pool, Tokens& tokens) {
  const LinearArgs& any = products.front();
  const auto pairs = [](const LinearArgs& args) {
    return kPairBf16 && args.w.dtype == DType::kBF16;
  };
  const int64_t size = tokens.count * tokens.depth.padded;
  const auto paired = std::count_if(products.begin(), products.end(), pairs);
  const bool both = paired > 0 && paired < std::ssize(products);
  float* plain_x = ScratchFloats(Scratch::kOperand, both ? 2 * size : size);
  float* paired_x = both ? plain_x + size : plain_x;
  if (paired > 0) tokens.packed[1] = paired_x;
  if (paired < std::ssize(products)) tokens.packed[0] = plain_x;
  pool.ParallelFor(tokens.tiles(), RowsPerTask(kTileTokens * any.k),
                   [&](int64_t begin, int64_t end) {
                     if (tokens.packed[0]) PackTiles<false, T>(any, tokens, plain_x, begin, end);
                     if (tokens.packed[1]) PackTiles<true, T>(any, tokens, paired_x, begin, end);
                   });
}

// Rows that a product takes among those of all: tiles of the next begin where they would alone.
int64_t Places(const LinearArgs& args) { return RoundUp(args.m, kTallRows); }

// Those of [begin, end) that are rows of W.
void RunProduct(const LinearArgs& args, const Tokens& tokens, int64_t begin, int64_t end) {
  const int64_t row_end = std::min(end, args.m);
  WithFloatType(args.w.dtype, [&]<class W>(W) {
    for (int64_t row = begin; row < row_end; row += kBlockRows) {
      RunBlock<W>(args, tokens, row, std::min(row + kBlockRows, row_end));
    }
  });
}

void Linear(const KernelCall& call) {
  const std::vector<LinearArgs> products = ReadLinear(call);
  const LinearArgs& any = products.front();
  int64_t places = 0;
  for (const LinearArgs& args : products) places += Places(args);
  const int64_t blocks = (any.n + kBlockTokens - 1) / kBlockTokens;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t first = any.n * b / blocks;
    Tokens tokens{{first, any.n * (b + 1) / blocks - first}, {}, CutDepth(any.k)};
    WithFloatType(any.x.dtype, [&]<class T>(T) { PackTokens<T>(products, call.pool, tokens); });
    const int64_t grain = RoundUp(RowsPerTask(tokens.count * any.k), kTallRows);
    call.pool.ParallelFor(places, grain, [&](int64_t begin, int64_t end) {
      ForProducts(products, begin, end, Places,
                  [&](const LinearArgs& args, int64_t from, int64_t to) {
                    RunProduct(args, tokens, from, to);
                  });
    });
  }
}

#else  // no vectors: the reference
using reference::Linear;
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(Linear);

void RunLinear(const KernelCall& call) {
  if (IsPacked(call.in[1].dtype)) return PackedLinear(call);
  HWY_DYNAMIC_DISPATCH(Linear)
  (call);
}

constexpr KernelRow kRows[] = {
    {"linear", Device::kCpu, kProvider, AcceptsEither<AcceptsLinear, AcceptsPackedLinear>,
     RunLinear},
    {"linear2", Device::kCpu, kProvider, AcceptsEither<AcceptsLinear2, AcceptsPackedLinear2>,
     RunLinear},
    {"linear3", Device::kCpu, kProvider, AcceptsEither<AcceptsLinear3, AcceptsPackedLinear3>,
     RunLinear},
};

}  // namespace

std::span<const KernelRow> LinearRows() { return kRows; }

}  // namespace rw::simd
#endif  // HWY_ONCE
