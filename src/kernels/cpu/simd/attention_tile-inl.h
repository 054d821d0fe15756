// The inner loops of attention, on rows of floats in scratch memory. Included once per target.
//
// Every sum has an order that depends on the query's own position alone: q.k runs over d from 0 up
// by fma; positions come in softmax blocks of kSoftmaxBlock aligned to position 0; in a block the
// values are added from the lowest position up by fma. Which rows share a tile changes nothing.
#if defined(RW_KERNELS_CPU_SIMD_ATTENTION_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RW_KERNELS_CPU_SIMD_ATTENTION_TILE_INL_H_
#undef RW_KERNELS_CPU_SIMD_ATTENTION_TILE_INL_H_
#else
#define RW_KERNELS_CPU_SIMD_ATTENTION_TILE_INL_H_
#endif

#include "kernels/cpu/simd/math-inl.h"
#include "kv/kv_cache.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

inline constexpr int64_t kSoftmaxBlock = 4 * kPageSize;
inline constexpr bool kManyRegisters = HWY_TARGET != HWY_AVX2;  // 32 rather than 16
inline constexpr int kPageVectors = kPageSize / kLanes;         // that hold a page's positions

// Four 32-bit words of rows 0, 4, 8, .. from p on, side by side in one vector.
template <class D>
HWY_INLINE hn::Vec<D> LoadBlocks(D d, const uint32_t* p, int64_t stride) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, p);
  } else {
    const hn::Half<D> half;
    constexpr int64_t kHalfRows = hn::MaxLanes(D()) / 2;
    return hn::Combine(d, LoadBlocks(half, p + kHalfRows * stride, stride),
                       LoadBlocks(half, p, stride));
  }
}

// Turns four words of kLanes rows into four vectors of one word each: a transpose within every
// 128 bits, of rows that lie 4 apart. Calls store(words, 0) .. store(words, 3).
template <class Store>
HWY_INLINE void TransposeWords(const uint32_t* p, int64_t stride, const Store& store) {
  const DU du;
  const hn::RepartitionToWide<DU> dw;
  const VU r0 = LoadBlocks(du, p, stride);
  const VU r1 = LoadBlocks(du, p + stride, stride);
  const VU r2 = LoadBlocks(du, p + 2 * stride, stride);
  const VU r3 = LoadBlocks(du, p + 3 * stride, stride);
  const auto low01 = hn::BitCast(dw, hn::InterleaveLower(du, r0, r1));
  const auto low23 = hn::BitCast(dw, hn::InterleaveLower(du, r2, r3));
  const auto high01 = hn::BitCast(dw, hn::InterleaveUpper(du, r0, r1));
  const auto high23 = hn::BitCast(dw, hn::InterleaveUpper(du, r2, r3));
  store(hn::BitCast(du, hn::InterleaveLower(dw, low01, low23)), 0);
  store(hn::BitCast(du, hn::InterleaveUpper(dw, low01, low23)), 1);
  store(hn::BitCast(du, hn::InterleaveLower(dw, high01, high23)), 2);
  store(hn::BitCast(du, hn::InterleaveUpper(dw, high01, high23)), 3);
}

// One element of kLanes rows as floats, from words that hold 4 / sizeof(KV) elements of each.
template <class KV, int kElement>
HWY_INLINE VF Unpack(VU words) {
  const DU du;
  if constexpr (std::is_same_v<KV, float>) {
    return hn::BitCast(DF(), words);
  } else if constexpr (std::is_same_v<KV, BF16>) {
    return hn::BitCast(
        DF(), kElement == 0 ? hn::ShiftLeft<16>(words) : hn::And(words, hn::Set(du, 0xffff0000u)));
  } else if constexpr (std::is_same_v<KV, F8E4M3>) {  // through half floats, two in a word
    const hn::Repartition<uint16_t, DU> d16;
    const auto codes = hn::BitCast(d16, words);
    const auto high = kElement % 2 == 0 ? hn::ShiftLeft<8>(codes) : codes;
    const VU halves = hn::BitCast(du, F8Halves(d16, high));
    return hn::Mul(Unpack<F16, kElement / 2>(halves), Set(256.0f));
  } else {
    const hn::Rebind<uint16_t, DF> d16;
    const hn::Rebind<hwy::float16_t, DF> df16;
    const VU low = kElement == 0 ? hn::And(words, hn::Set(du, 0xffff)) : hn::ShiftRight<16>(words);
    return hn::PromoteTo(DF(), hn::BitCast(df16, hn::DemoteTo(d16, hn::BitCast(DI(), low))));
  }
}

// What a number of the cache stands for: fp8 is in units of `scale`.
template <class KV>
HWY_INLINE VF Scaled(VF x, float scale) {
  if constexpr (std::is_same_v<KV, F8E4M3>) return hn::Mul(x, Set(scale));
  return x;
}

// One page of keys [kPageSize][d] turned into floats [d][kPageSize].
template <class KV>
void TransposePage(const KV* k, int64_t stride, int64_t d, float scale, float* out) {
  constexpr int kPacked = 4 / sizeof(KV);  // elements in a word
  int64_t i = 0;
  // Words need rows that lie whole words apart, as all do but those of odd numbers of elements.
  const int64_t whole = stride % kPacked == 0 ? d : 0;
  for (; i + 4 * kPacked <= whole; i += 4 * kPacked) {
    Unroll<kPageVectors>([&](auto v) RW_INLINED {
      const KV* rows = k + v * kLanes * stride + i;
      float* columns = out + i * kPageSize + v * kLanes;
      TransposeWords(reinterpret_cast<const uint32_t*>(rows), stride / kPacked,
                     [&](VU words, int64_t word) RW_INLINED {
                       Unroll<kPacked>([&](auto e) RW_INLINED {
                         hn::StoreU(Scaled<KV>(Unpack<KV, e>(words), scale), DF(),
                                    columns + (word * kPacked + e) * kPageSize);
                       });
                     });
    });
  }
  for (; i < d; ++i) {
    for (int64_t j = 0; j < kPageSize; ++j) {
      const float element = ToFloat(k[j * stride + i]);
      out[i * kPageSize + j] = std::is_same_v<KV, F8E4M3> ? element * scale : element;
    }
  }
}

// scores[r][0 .. kPages * kPageSize) = q[r] . k for kRows rows; `keys` holds kPages transposed
// pages, one after the other.
template <int kRows, int kPages>
HWY_INLINE void ScoreRows(const float* q, int64_t q_stride, const float* keys, int64_t d,
                          float* scores) {
  constexpr int kVectors = kPages * kPageVectors;
  const DF df;
  VF sums[kRows * kVectors];
  Unroll<kRows * kVectors>([&](auto i) RW_INLINED { sums[i] = hn::Zero(df); });
  for (int64_t i = 0; i < d; ++i) {
    VF k[kVectors];
    Unroll<kVectors>([&](auto v) RW_INLINED {
      const float* page = keys + v / kPageVectors * d * kPageSize;
      k[v] = hn::LoadU(df, page + i * kPageSize + v % kPageVectors * kLanes);
    });
    Unroll<kRows>([&](auto r) RW_INLINED {
      const VF element = hn::Set(df, q[r * q_stride + i]);
      Unroll<kVectors>([&](auto v) RW_INLINED {
        sums[r * kVectors + v] = hn::MulAdd(element, k[v], sums[r * kVectors + v]);
      });
    });
  }
  Unroll<kRows>([&](auto r) RW_INLINED {
    Unroll<kVectors>([&](auto v) RW_INLINED {
      hn::StoreU(sums[r * kVectors + v], df, scores + r * kSoftmaxBlock + v * kLanes);
    });
  });
}

// The same for any number of rows.
template <int kPages>
void ScorePages(const float* q, int64_t d, int64_t rows, const float* keys, float* scores) {
  int64_t r = 0;
  if constexpr (kManyRegisters) {
    for (; r + 8 <= rows; r += 8) {
      ScoreRows<8, kPages>(q + r * d, d, keys, d, scores + r * kSoftmaxBlock);
    }
  }
  for (; r + 4 <= rows; r += 4) {
    ScoreRows<4, kPages>(q + r * d, d, keys, d, scores + r * kSoftmaxBlock);
  }
  for (; r + 2 <= rows; r += 2) {
    ScoreRows<2, kPages>(q + r * d, d, keys, d, scores + r * kSoftmaxBlock);
  }
  if (r < rows) ScoreRows<1, kPages>(q + r * d, d, keys, d, scores + r * kSoftmaxBlock);
}

// Running softmax of one query: the largest score so far and, in lanes, the sum of e^(score - max).
struct Running {
  float max;
  float sums[kLanes];
};

// Turns positions [begin, end) of a block of raw scores into weights, in place, with zeros up to
// whole vectors around them; returns what earlier sums and values must be multiplied by.
HWY_INLINE float SoftmaxBlock(float* scores, int64_t begin, int64_t end, float scale, float softcap,
                              Running& running) {
  const DF df;
  const VF lowest = Set(-std::numeric_limits<float>::infinity());
  const int64_t first = begin / kLanes * kLanes;
  VF max = lowest;
  for (int64_t i = first; i < end; i += kLanes) {
    VF score = hn::Mul(hn::LoadU(df, scores + i), Set(scale));
    if (softcap > 0) score = hn::Mul(Set(softcap), Tanh(hn::Div(score, Set(softcap))));
    if (i < begin || i + kLanes > end) {
      const VF place = hn::Add(hn::Iota(df, 0.0f), Set(static_cast<float>(i)));
      const auto inside = hn::And(hn::Ge(place, Set(static_cast<float>(begin))),
                                  hn::Lt(place, Set(static_cast<float>(end))));
      score = hn::IfThenElse(inside, score, lowest);
    }
    hn::StoreU(score, df, scores + i);
    max = hn::Max(max, score);
  }
  const float new_max = std::max(running.max, hn::GetLane(hn::MaxOfLanes(df, max)));
  const float keep = hn::GetLane(Exp(Set(running.max - new_max)));
  VF sums = hn::Mul(hn::LoadU(df, running.sums), Set(keep));
  for (int64_t i = first; i < end; i += kLanes) {
    const VF weight = Exp(hn::Sub(hn::LoadU(df, scores + i), Set(new_max)));
    hn::StoreU(weight, df, scores + i);
    sums = hn::Add(sums, weight);
  }
  hn::StoreU(sums, df, running.sums);
  running.max = new_max;
  return keep;
}

// values[r] += weights[r][j] * v[j] for j in [begin, end) in turn, over kVectors vectors of d.
template <int kRows, int kVectors>
HWY_INLINE void AddValues(const float* weights, const float* v, int64_t v_stride, int64_t begin,
                          int64_t end, float* values, int64_t stride) {
  const DF df;
  VF sums[kRows * kVectors];
  Unroll<kRows * kVectors>([&](auto i) RW_INLINED {
    sums[i] = hn::LoadU(df, values + i / kVectors * stride + i % kVectors * kLanes);
  });
  for (int64_t j = begin; j < end; ++j) {
    VF row[kVectors];
    Unroll<kVectors>([&](auto c)
                         RW_INLINED { row[c] = hn::LoadU(df, v + j * v_stride + c * kLanes); });
    Unroll<kRows>([&](auto r) RW_INLINED {
      const VF weight = hn::Set(df, weights[r * kSoftmaxBlock + j]);
      Unroll<kVectors>([&](auto c) RW_INLINED {
        sums[r * kVectors + c] = hn::MulAdd(weight, row[c], sums[r * kVectors + c]);
      });
    });
  }
  Unroll<kRows * kVectors>([&](auto i) RW_INLINED {
    hn::StoreU(sums[i], df, values + i / kVectors * stride + i % kVectors * kLanes);
  });
}

// The same over the whole padded head dim, `width` elements, a multiple of kLanes.
template <int kRows>
void AddValueRows(const float* weights, const float* v, int64_t begin, int64_t end, float* values,
                  int64_t width) {
  constexpr int kVectors = kManyRegisters ? 4 : 2;
  int64_t i = 0;
  for (; i + kVectors * kLanes <= width; i += kVectors * kLanes) {
    AddValues<kRows, kVectors>(weights, v + i, width, begin, end, values + i, width);
  }
  for (; i < width; i += kLanes) {
    AddValues<kRows, 1>(weights, v + i, width, begin, end, values + i, width);
  }
}

#endif  // RW_HAS_VECTORS
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();
#endif
