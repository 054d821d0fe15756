// The inner loop of linear: dot products of a few rows of W with a few tokens, all in registers.
// Included once per target.
//
// The order of every sum is fixed by k and the target alone. k is cut into blocks of kMaxDepth or
// less; in a block, lane l of one accumulator takes every product whose place is l modulo kLanes
// (in the order of PackToken) by fma; then the lanes are folded by FoldLanes, and the blocks'
// sums are added in turn. How many rows or tokens stand beside each other changes nothing in it.
#if defined(RW_KERNELS_CPU_SIMD_DOT_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RW_KERNELS_CPU_SIMD_DOT_TILE_INL_H_
#undef RW_KERNELS_CPU_SIMD_DOT_TILE_INL_H_
#else
#define RW_KERNELS_CPU_SIMD_DOT_TILE_INL_H_
#endif

#include <hwy/cache_control.h>

#include "kernels/cpu/simd/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

inline constexpr int64_t kStep = 2 * kLanes;  // elements of k taken at once
inline constexpr int64_t kMaxDepth = 1024;    // a tile's tokens of this depth stay in the L1 cache
inline constexpr int kTileRows = 4;           // rows of W
inline constexpr int kTileTokens = HWY_TARGET == HWY_AVX2 ? 3 : 6;  // 16 or 32 registers
inline constexpr int kTallRows = 8;  // rows of W where the tokens are few enough
inline constexpr int kTallTokens = kTileRows * kTileTokens / kTallRows;

HWY_INLINE constexpr int64_t RoundUp(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

// How k is cut: equal blocks, as few as kMaxDepth allows.
struct Depth {
  int64_t padded;  // k up to a multiple of kStep
  int64_t block;
};
inline Depth CutDepth(int64_t k) {
  const int64_t padded = RoundUp(k, kStep);
  const int64_t blocks = (padded + kMaxDepth - 1) / kMaxDepth;
  return {padded, blocks == 0 ? kStep : RoundUp((padded + blocks - 1) / blocks, kStep)};
}

// Half 0 or 1 of kStep weights as floats. Two bf16 share a 32-bit lane, so their halves can be the
// even and the odd elements: one instruction each and no shuffle, if the tokens are packed to
// match. The mask takes a register, which AVX2 has not left.
inline constexpr bool kPairBf16 = HWY_TARGET != HWY_AVX2;
template <class W>
inline constexpr bool kPaired = kPairBf16&& std::is_same_v<W, BF16>;
template <int kHalf>
HWY_INLINE VF Expand(const BF16* w) {
  if constexpr (!kPairBf16) return Load(w + kHalf * kLanes);
  const DU du;
  const VU pairs = hn::LoadU(du, reinterpret_cast<const uint32_t*>(w));
  return hn::BitCast(
      DF(), kHalf == 0 ? hn::ShiftLeft<16>(pairs) : hn::And(pairs, hn::Set(du, 0xffff0000u)));
}
template <int kHalf, class W>
HWY_INLINE VF Expand(const W* w) {
  return Load(w + kHalf * kLanes);
}

// kStep elements of a token in the order of Expand<W> for W that are paired, or not.
template <bool kPairs>
HWY_INLINE void PackStep(VF first, VF second, float* packed) {
  const DF df;
  if constexpr (kPairs) {
    hn::StoreU(hn::ConcatEven(df, second, first), df, packed);
    hn::StoreU(hn::ConcatOdd(df, second, first), df, packed + kLanes);
  } else {
    hn::StoreU(first, df, packed);
    hn::StoreU(second, df, packed + kLanes);
  }
}

// Packs one token of k elements as column `column` of a panel of `columns` tokens: step by step,
// the tokens of a tile beside each other, zeros up to a multiple of kStep.
template <bool kPairs, class T>
HWY_INLINE void PackToken(const T* x, int64_t k, int64_t columns, int64_t column, float* panel) {
  float* packed = panel + column * kStep;
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep, packed += columns * kStep) {
    PackStep<kPairs>(Load(x + i), Load(x + i + kLanes), packed);
  }
  if (i < k) {
    T padded[kStep] = {};
    std::memcpy(padded, x + i, (k - i) * sizeof(T));
    PackStep<kPairs>(Load(padded), Load(padded + kLanes), packed);
  }
}

// The sums of four accumulators, in four lanes; each in the same order: within blocks of 128 bits
// (0 + 2) + (1 + 3), then the blocks in halves.
HWY_INLINE hn::Vec<hn::FixedTag<float, 4>> FoldBlocks(hn::Vec<hn::FixedTag<float, 4>> v) {
  return v;
}
template <class V>
HWY_INLINE hn::Vec<hn::FixedTag<float, 4>> FoldBlocks(V v) {
  const hn::DFromV<V> d;
  const hn::Half<decltype(d)> dh;
  return FoldBlocks(hn::Add(hn::LowerHalf(dh, v), hn::UpperHalf(dh, v)));
}
HWY_INLINE hn::Vec<hn::FixedTag<float, 4>> FoldLanes(VF a, VF b, VF c, VF e) {
  const DF df;
  const hn::RepartitionToWide<DF> dw;
  const VF ab = hn::Add(hn::InterleaveLower(df, a, b), hn::InterleaveUpper(df, a, b));
  const VF ce = hn::Add(hn::InterleaveLower(df, c, e), hn::InterleaveUpper(df, c, e));
  const auto ab_wide = hn::BitCast(dw, ab);
  const auto ce_wide = hn::BitCast(dw, ce);
  return FoldBlocks(hn::Add(hn::BitCast(df, hn::InterleaveLower(dw, ab_wide, ce_wide)),
                            hn::BitCast(df, hn::InterleaveUpper(dw, ab_wide, ce_wide))));
}

// Rows of W from one depth block on, and where their sums go: c[token * c_stride + row].
template <class W>
struct TileCall {
  const W* w;
  int64_t w_stride;
  const W* ahead;      // what to bring into the cache meanwhile: as many bytes, from here on
  const float* panel;  // of the tile's tokens, from the same block on
  int64_t depth;       // elements of k in this block, before padding
  float* c;
  int64_t c_stride;
  bool add;  // to what c holds: every block but the first
};

// kStep more products of every pair. The shorter side waits in registers, the longer streams by.
template <class W, int kRows, int kTokens>
HWY_INLINE void StepTile(const W* const (&w)[kRows], int64_t i, const float* panel,
                         VF (&sums)[kRows * kTokens]) {
  Unroll<2>([&](auto half) RW_INLINED {
    const auto x = [&](auto t) RW_INLINED { return Load(panel + t * kStep + half * kLanes); };
    const auto add = [&](auto r, auto t, VF row, VF token) RW_INLINED {
      sums[r * kTokens + t] = hn::MulAdd(row, token, sums[r * kTokens + t]);
    };
    if constexpr (kTokens < kRows) {
      VF tokens[kTokens];
      Unroll<kTokens>([&](auto t) RW_INLINED { tokens[t] = x(t); });
      Unroll<kRows>([&](auto r) RW_INLINED {
        const VF row = Expand<half>(w[r] + i);
        Unroll<kTokens>([&](auto t) RW_INLINED { add(r, t, row, tokens[t]); });
      });
    } else {
      VF rows[kRows];
      Unroll<kRows>([&](auto r) RW_INLINED { rows[r] = Expand<half>(w[r] + i); });
      Unroll<kTokens>([&](auto t) RW_INLINED {
        const VF token = x(t);
        Unroll<kRows>([&](auto r) RW_INLINED { add(r, t, rows[r], token); });
      });
    }
  });
}

// Adds the tile's sums to c, or stores them.
template <class W, int kRows, int kTokens>
HWY_INLINE void StoreTile(const TileCall<W>& call, const VF (&sums)[kRows * kTokens]) {
  const hn::FixedTag<float, 4> d4;
  Unroll<kTokens>([&](auto t) RW_INLINED {
    float* c = call.c + t * call.c_stride;
    if constexpr (kRows == 1) {
      const float sum = hn::GetLane(FoldLanes(sums[t], sums[t], sums[t], sums[t]));
      *c = call.add ? *c + sum : sum;
    } else {
      Unroll<kRows / 4>([&](auto quad) RW_INLINED {
        constexpr int kFirst = quad * 4 * kTokens + t;
        auto sum = FoldLanes(sums[kFirst], sums[kFirst + kTokens], sums[kFirst + 2 * kTokens],
                             sums[kFirst + 3 * kTokens]);
        if (call.add) sum = hn::Add(hn::LoadU(d4, c + quad * 4), sum);
        hn::StoreU(sum, d4, c + quad * 4);
      });
    }
  });
}

template <class W, int kRows, int kTokens>
HWY_NOINLINE void Tile(const TileCall<W>& call) {
  constexpr int kStepBytes = kRows * kStep * sizeof(W);
  constexpr int kLines = kStepBytes < 64 ? 1 : kStepBytes / 64;  // cache lines of W in a step
  VF sums[kRows * kTokens];
  const W* w[kRows];
  Unroll<kRows * kTokens>([&](auto i) RW_INLINED { sums[i] = hn::Zero(DF()); });
  Unroll<kRows>([&](auto r) RW_INLINED { w[r] = call.w + r * call.w_stride; });
  const float* panel = call.panel;
  int64_t i = 0;
  for (; i + kStep <= call.depth; i += kStep, panel += kTokens * kStep) {
    Unroll<kLines>([&](auto line) RW_INLINED {
      hwy::Prefetch(reinterpret_cast<const std::byte*>(call.ahead + i * kRows) + line * 64);
    });
    StepTile<W, kRows, kTokens>(w, i, panel, sums);
  }
  if (i < call.depth) {
    W padded[kRows][kStep] = {};
    Unroll<kRows>([&](auto r) RW_INLINED {
      std::memcpy(padded[r], w[r] + i, (call.depth - i) * sizeof(W));
      w[r] = padded[r];
    });
    StepTile<W, kRows, kTokens>(w, 0, panel, sums);
  }
  StoreTile<W, kRows, kTokens>(call, sums);
}

// Tile<W, kRows, tokens> for 1 <= tokens <= kMaxTokens known at run time.
template <class W, int kRows, int kMaxTokens>
HWY_INLINE void RunTile(int64_t tokens, const TileCall<W>& call) {
  static constexpr auto kTiles = []<int... I>(std::integer_sequence<int, I...>) {
    return std::array{&Tile<W, kRows, I + 1>...};
  }
  (std::make_integer_sequence<int, kMaxTokens>{});
  kTiles[tokens - 1](call);
}

#endif  // RW_HAS_VECTORS
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();
#endif
