// The inner loops of products with packed weights (base/packed.h, kernels/packed_x.h): a strip of
// 16 rows of W with a few tokens. Included once per target.
//
// A vector of 16-bit lanes holds two neighbours in k of each row; x gives the same two to all rows,
// so one multiply-add of pairs makes a 32-bit sum for each row, and no sum crosses lanes.
#if defined(RW_KERNELS_CPU_SIMD_PACKED_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RW_KERNELS_CPU_SIMD_PACKED_TILE_INL_H_
#undef RW_KERNELS_CPU_SIMD_PACKED_TILE_INL_H_
#else
#define RW_KERNELS_CPU_SIMD_PACKED_TILE_INL_H_
#endif

#include <hwy/cache_control.h>

#include <algorithm>
#include <limits>

#include "base/packed.h"
#include "kernels/cpu/simd/vec-inl.h"
#include "kernels/packed_x.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

using DS = hn::Repartition<int16_t, DF>;
using VS = hn::Vec<DS>;
using VI = hn::Vec<DI>;

inline constexpr int kStripVectors = kStripRows / kLanes;  // of 32-bit lanes
inline constexpr int64_t kPairs = kXGroup / 2;             // in a group of x
// Tokens beside each other: sums of all must stay in registers (16 with AVX2, else 32).
inline constexpr int kPackedTokens = HWY_TARGET == HWY_AVX2 ? 6 : kStripVectors == 1 ? 12 : 5;
// How far memory is asked for before it is needed: a page is beyond what the processor does itself.
inline constexpr int64_t kAhead = 4096;
inline constexpr int kStreamTokens = 3;  // up to here codes are taken apart in registers

// sum + a[2i] b[2i] + a[2i+1] b[2i+1] in each 32-bit lane i.
HWY_INLINE VI AddPairs(VI sum, VS a, VS b) {
#if HWY_ARCH_X86
  VI unused = hn::Zero(DI());
  sum = hn::ReorderWidenMulAccumulate(DI(), a, b, sum, unused);
  // Nothing, but GCC keeps the sum in one register. Without it, it makes the products of a whole
  // tile before it adds them, and spills.
  asm("" : "+v"(sum.raw));
  return sum;
#else
  const auto low = [](VS v) { return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(DI(), v))); };
  const auto high = [](VS v) { return hn::ShiftRight<16>(hn::BitCast(DI(), v)); };
  return hn::Add(sum, hn::Add(hn::Mul(low(a), low(b)), hn::Mul(high(a), high(b))));
#endif
}

// Tokens of a tile, packed: pairs[group of x][kPairs][tokens], then scales and scaled sums
// [group][tokens] as float.
struct XTile {
  const int32_t* pairs;
  const float* scales;
  const float* sums;

  XTile From(int64_t group, int64_t tokens) const {
    return {pairs + group * kPairs * tokens, scales + group * tokens, sums + group * tokens};
  }
};
inline int64_t XTileWords(int64_t groups, int64_t tokens) { return groups * tokens * (kPairs + 2); }
inline XTile XTileAt(const float* words, int64_t groups, int64_t tokens) {
  const float* scales = words + groups * tokens * kPairs;
  return {reinterpret_cast<const int32_t*>(words), scales, scales + groups * tokens};
}

// Rounds elements [0, k) of one token into column `column` of a tile; k up to whole groups is 0.
template <class T>
HWY_INLINE void PackX(const T* x, int64_t k, int64_t groups, int64_t tokens, int64_t column,
                      float* words) {
  constexpr int kVectors = kXGroup / kLanes;
  const DF df;
  const DI di;
  const hn::Rebind<int16_t, DF> d16;
  int32_t* pairs = reinterpret_cast<int32_t*>(words) + column;
  float* scales = words + groups * tokens * kPairs + column;
  float* sums = scales + groups * tokens;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t count = std::clamp<int64_t>(k - g * kXGroup, 0, kXGroup);
    VF v[kVectors];
    VF most = hn::Zero(df);
    MF bad = hn::IsNaN(most);
    Unroll<kVectors>([&](auto i) RW_INLINED {
      const int64_t rest = count - i * kLanes;
      const T* from = x + g * kXGroup + i * kLanes;
      v[i] = rest >= kLanes ? Load(from) : rest > 0 ? LoadN(from, rest) : hn::Zero(df);
      const VF size = hn::Abs(v[i]);
      bad = hn::Or(bad, hn::Not(hn::Lt(size, hn::Set(df, std::numeric_limits<float>::infinity()))));
      most = hn::Max(most, size);
    });
    const float largest = hn::GetLane(hn::MaxOfLanes(df, most));
    const bool nan = !hn::AllFalse(df, bad);
    const bool zero = nan || largest < kXLeast;
    const VF by = hn::Set(df, zero ? 0.0f : kXWhole / largest);
    alignas(64) int16_t whole[kXGroup];
    VI sum = hn::Zero(di);
    Unroll<kVectors>([&](auto i) RW_INLINED {
      const VI n = zero ? hn::Zero(di) : hn::NearestInt(hn::Mul(v[i], by));
      sum = hn::Add(sum, n);
      hn::StoreU(hn::DemoteTo(d16, n), d16, whole + i * kLanes);
    });
    const float scale = nan    ? std::numeric_limits<float>::quiet_NaN()
                        : zero ? 0.0f
                               : largest / kXWhole;
    for (int64_t p = 0; p < kPairs; ++p) {
      std::memcpy(pairs + (g * kPairs + p) * tokens, whole + 2 * p, sizeof(int32_t));
    }
    scales[g * tokens] = scale;
    sums[g * tokens] = scale * static_cast<float>(hn::GetLane(hn::SumOfLanes(di, sum)));
  }
}

// Codes of pair p of a group of x, for the rows of vector `vec`; `cells` and `high` begin at the
// group. Zeros are not yet taken off.
template <PackedLayout L, int p>
HWY_INLINE VS Codes(const std::byte* cells, const std::byte* high, int vec) {
  constexpr int kPerCell = L.bits == 8 ? 2 : 4;  // pairs
  constexpr int kPlace = p % kPerCell;
  const DS ds;
  const auto load = [&](const std::byte* part, int cell) RW_INLINED {
    return hn::LoadU(
        ds, reinterpret_cast<const int16_t*>(part + cell * kCellBytes) + vec * hn::Lanes(ds));
  };
  const VS lane = load(cells, p / kPerCell);
  if constexpr (L.bits == 8) {
    return hn::ShiftRight<8>(kPlace == 0 ? hn::ShiftLeft<8>(lane) : lane);
  } else if constexpr (L.bits == 4 && L.is_signed()) {
    return hn::ShiftRight<12>(hn::ShiftLeft<12 - 4 * kPlace>(lane));
  } else {
    const hn::RebindToUnsigned<DS> du;
    const VS low = hn::And(hn::BitCast(ds, hn::ShiftRight<4 * kPlace>(hn::BitCast(du, lane))),
                           hn::Set(ds, 15));
    if constexpr (L.bits == 4) return low;
    const VS two = hn::ShiftRight<10>(hn::ShiftLeft<14 - 2 * (p % 8)>(load(high, p / 8)));
    return hn::Or(hn::AndNot(hn::Set(ds, 15), two), low);
  }
}

HWY_INLINE VF LoadWhole(const std::byte* p, int vec) {  // kLanes numbers of 8 bits, signed
  const hn::Rebind<int8_t, DF> d8;
  const auto* from = reinterpret_cast<const int8_t*>(p) + vec * kLanes;
  return hn::ConvertTo(DF(), hn::PromoteTo(DI(), hn::LoadU(d8, from)));
}

// Scales (or minima) of group `group` of a unit; `whole` at the part of s (or m).
template <PackedLayout L>
HWY_INLINE VF Scales(const std::byte* halves, const std::byte* whole, int64_t group, int vec) {
  const VF scale = Load(reinterpret_cast<const F16*>(halves) + vec * kLanes);
  if constexpr (!L.has_sub_scales()) return scale;
  return hn::Mul(scale, LoadWhole(whole + group * kStripRows, vec));
}

// The zeros of the rows of vector `vec`, each in both lanes of its row.
HWY_INLINE VS Zeros(const std::byte* zeros, int vec) {
  const hn::Rebind<int8_t, DI> d8;
  const auto* from = reinterpret_cast<const int8_t*>(zeros) + vec * kLanes;
  const VI wide = hn::PromoteTo(DI(), hn::LoadU(d8, from));
  const VI low = hn::And(wide, hn::Set(DI(), 0xffff));
  return hn::BitCast(DS(), hn::Or(hn::ShiftLeft<16>(wide), low));
}

// Where group `g` of x finds its part of a strip of W.
template <PackedLayout L>
struct StripPlace {
  static constexpr int64_t kSpan = L.group < kXGroup ? L.group : kXGroup;  // of k with one scale
  static constexpr int kScales = kXGroup / kSpan;                          // in a group of x
  static constexpr int kScalePairs = kSpan / 2;

  const std::byte* unit;
  int64_t begin;  // of the group in the unit, elements

  static StripPlace At(const std::byte* strip, int64_t g) {
    const int64_t i = g * kXGroup;
    return {strip + i / L.unit * L.unit_bytes(), i % L.unit};
  }
  const std::byte* cells() const {
    return unit + L.codes() + begin * kStripRows * (L.bits == 8 ? 8 : 4) / 8;
  }
  const std::byte* high() const { return unit + L.high_bits() + begin * kStripRows * 2 / 8; }
  VF Scale(int s, int vec) const {
    return Scales<L>(unit, unit + L.sub_scales(), begin / L.group + s, vec);
  }
  VF Min(int vec) const {
    return Scales<L>(unit + L.zeros(), unit + L.sub_mins(), begin / L.group, vec);
  }
};

// A strip times kTokens tokens over all of k: y[token][16 rows].
template <PackedLayout L, int kTokens>
HWY_NOINLINE void StreamStrip(const std::byte* strip, const XTile& x, int64_t groups, float* y) {
  using Place = StripPlace<L>;
  constexpr int kSums = kStripVectors * kTokens;
  constexpr int64_t kGroupBytes = L.unit_bytes() * kXGroup / L.unit;
  constexpr int kLines = (kGroupBytes + 63) / 64;  // of the cache, in a group
  const DF df;
  const DS ds;
  VF totals[kSums];
  Unroll<kSums>([&](auto i) RW_INLINED { totals[i] = hn::Zero(df); });
  const std::byte* ahead = strip + kAhead;
  for (int64_t g = 0; g < groups; ++g) {
    const Place place = Place::At(strip, g);
    Unroll<kLines>([&](auto line) RW_INLINED { hwy::Prefetch(ahead + line * 64); });
    ahead += kGroupBytes;
    const int32_t* pairs = x.pairs + g * kPairs * kTokens;
    VS zeros[kStripVectors];
    if constexpr (L.has_zero()) {
      Unroll<kStripVectors>([&](auto v)
                                RW_INLINED { zeros[v] = Zeros(place.unit + L.zeros(), v); });
    }
    Unroll<Place::kScales>([&](auto s) RW_INLINED {
      VI sums[kSums];
      Unroll<kSums>([&](auto i) RW_INLINED { sums[i] = hn::Zero(DI()); });
      Unroll<Place::kScalePairs>([&](auto i) RW_INLINED {
        constexpr int p = s * Place::kScalePairs + i;
        VS codes[kStripVectors];
        Unroll<kStripVectors>([&](auto v) RW_INLINED {
          codes[v] = Codes<L, p>(place.cells(), place.high(), v);
          if constexpr (L.has_zero()) codes[v] = hn::Sub(codes[v], zeros[v]);
        });
        Unroll<kTokens>([&](auto t) RW_INLINED {
          const VS token = hn::BitCast(ds, hn::Set(DI(), pairs[p * kTokens + t]));
          Unroll<kStripVectors>([&](auto v) RW_INLINED {
            sums[t * kStripVectors + v] = AddPairs(sums[t * kStripVectors + v], codes[v], token);
          });
        });
      });
      Unroll<kStripVectors>([&](auto v) RW_INLINED {
        const VF scale = place.Scale(s, v);
        Unroll<kTokens>([&](auto t) RW_INLINED {
          constexpr int i = t * kStripVectors + v;
          const VF by = hn::Mul(scale, hn::Set(df, x.scales[g * kTokens + t]));
          totals[i] = hn::MulAdd(hn::ConvertTo(df, sums[i]), by, totals[i]);
        });
      });
    });
    if constexpr (L.has_min()) {
      Unroll<kStripVectors>([&](auto v) RW_INLINED {
        const VF min = place.Min(v);
        Unroll<kTokens>([&](auto t) RW_INLINED {
          constexpr int i = t * kStripVectors + v;
          totals[i] = hn::NegMulAdd(min, hn::Set(df, x.sums[g * kTokens + t]), totals[i]);
        });
      });
    }
  }
  Unroll<kSums>([&](auto i) RW_INLINED { hn::StoreU(totals[i], df, y + i * kLanes); });
}

// A strip's weights of some groups of x, taken apart once for many tokens.
struct Panel {
  static constexpr int64_t kGroups = 8;  // of x: 8 KB of codes
  alignas(64) int16_t codes[kGroups * kPairs * 2 * kStripRows];
  alignas(64) float scales[kGroups * 2 * kStripRows];  // [group][scale of it][row]
  alignas(64) float mins[kGroups * kStripRows];
};

template <PackedLayout L>
HWY_NOINLINE void FillPanel(const std::byte* strip, int64_t first, int64_t groups, Panel& panel) {
  using Place = StripPlace<L>;
  const DS ds;
  const DF df;
  for (int64_t g = 0; g < groups; ++g) {
    const Place place = Place::At(strip, first + g);
    int16_t* to = panel.codes + g * kPairs * 2 * kStripRows;
    for (int v = 0; v < kStripVectors; ++v) {
      VS zeros = hn::Zero(ds);
      if constexpr (L.has_zero()) zeros = Zeros(place.unit + L.zeros(), v);
      Unroll<kPairs>([&](auto p) RW_INLINED {
        VS codes = Codes<L, p>(place.cells(), place.high(), v);
        if constexpr (L.has_zero()) codes = hn::Sub(codes, zeros);
        hn::Store(codes, ds, to + p * 2 * kStripRows + v * hn::Lanes(ds));
      });
      for (int s = 0; s < Place::kScales; ++s) {
        hn::Store(place.Scale(s, v), df,
                  panel.scales + (g * Place::kScales + s) * kStripRows + v * kLanes);
      }
      if constexpr (L.has_min()) {
        hn::Store(place.Min(v), df, panel.mins + g * kStripRows + v * kLanes);
      }
    }
  }
}

// The panel's groups of kTokens tokens, added to y[token][16 rows]; x begins at the panel's first.
template <PackedLayout L, int kTokens>
HWY_NOINLINE void RunPanel(const Panel& panel, const XTile& x, int64_t groups, float* y) {
  using Place = StripPlace<L>;
  constexpr int kSums = kStripVectors * kTokens;
  const DF df;
  const DS ds;
  const int32_t* pairs = x.pairs;
  const int16_t* codes = panel.codes;
  for (int64_t g = 0; g < groups; ++g) {
    for (int s = 0; s < Place::kScales; ++s) {
      VI sums[kSums];
      Unroll<kSums>([&](auto i) RW_INLINED { sums[i] = hn::Zero(DI()); });
      for (int p = 0; p < Place::kScalePairs; ++p) {
        VS w[kStripVectors];
        Unroll<kStripVectors>([&](auto v)
                                  RW_INLINED { w[v] = hn::Load(ds, codes + v * hn::Lanes(ds)); });
        Unroll<kTokens>([&](auto t) RW_INLINED {
          const VS token = hn::BitCast(ds, hn::Set(DI(), pairs[t]));
          Unroll<kStripVectors>([&](auto v) RW_INLINED {
            sums[t * kStripVectors + v] = AddPairs(sums[t * kStripVectors + v], w[v], token);
          });
        });
        codes += 2 * kStripRows;
        pairs += kTokens;
      }
      const float* scales = panel.scales + (g * Place::kScales + s) * kStripRows;
      Unroll<kTokens>([&](auto t) RW_INLINED {
        const VF scale = hn::Set(df, x.scales[g * kTokens + t]);
        Unroll<kStripVectors>([&](auto v) RW_INLINED {
          constexpr int i = t * kStripVectors + v;
          const VF by = hn::Mul(hn::Load(df, scales + v * kLanes), scale);
          float* to = y + i * kLanes;
          hn::StoreU(hn::MulAdd(hn::ConvertTo(df, sums[i]), by, hn::LoadU(df, to)), df, to);
        });
      });
    }
    if constexpr (L.has_min()) {
      Unroll<kTokens>([&](auto t) RW_INLINED {
        const VF sum = hn::Set(df, x.sums[g * kTokens + t]);
        Unroll<kStripVectors>([&](auto v) RW_INLINED {
          constexpr int i = t * kStripVectors + v;
          const VF min = hn::Load(df, panel.mins + g * kStripRows + v * kLanes);
          float* to = y + i * kLanes;
          hn::StoreU(hn::NegMulAdd(min, sum, hn::LoadU(df, to)), df, to);
        });
      });
    }
  }
}

#endif  // RW_HAS_VECTORS
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();
#endif
