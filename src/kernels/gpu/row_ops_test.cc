// embed, gather_rows, kv_write on the GPU: bits move unharmed, and only where they should.
#include "kernels/gpu/testing.h"

namespace rw {
namespace {

using testing::Cache;
using testing::ExpectSame;
using testing::RunGpu;
using testing::RunOp;
using testing::Tensor;

class GpuRowOps : public testing::GpuTest {};

TEST_F(GpuRowOps, EmbedEqualsReference) {
  const Tensor ids = Tensor::Ints({4, 0, 4, 2});
  for (const DType w_dtype : testing::kFloatTypes) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const int64_t h : {1, 37, 64, 2304}) {
        for (const int64_t gap : {0, 3}) {
          const Tensor w = Tensor(w_dtype, {5, h}, gap).Random(h, 100);
          const Tensor y(dtype, {4, h}, 2 * gap), reference(dtype, {4, h});
          RunGpu("embed", "gpu", {ids, w}, {y});
          RunOp("embed", "reference", {ids, w}, {reference});
          ExpectSame(y, reference);
          EXPECT_FALSE(y.AnyNan());
        }
      }
    }
  }
}

// Every one of the 2^16 values of the short types, and the ties between them, round as RoundTo.
TEST_F(GpuRowOps, EmbedConvertsEveryNumber) {
  const int64_t h = 1 << 16;
  const Tensor id = Tensor::Ints({0});
  for (const DType from : {DType::kBF16, DType::kF16}) {
    for (const uint32_t low : {0u, 0x7fffu, 0x8000u, 0x8001u, 0x0fffu, 0x1000u, 0x3000u}) {
      const Tensor shorts(from, {1, h}), floats(DType::kF32, {1, h});
      for (int64_t i = 0; i < h; ++i) {
        shorts.view().row<uint16_t>(0)[i] = static_cast<uint16_t>(i);
        floats.view().row<uint32_t>(0)[i] = static_cast<uint32_t>(i) << 16 | low;
      }
      const Tensor wide(DType::kF32, {1, h}), narrow(from, {1, h});
      const Tensor wide_ref(DType::kF32, {1, h}), narrow_ref(from, {1, h});
      RunGpu("embed", "gpu", {id, shorts}, {wide});
      RunGpu("embed", "gpu", {id, floats}, {narrow});
      RunOp("embed", "reference", {id, shorts}, {wide_ref});
      RunOp("embed", "reference", {id, floats}, {narrow_ref});
      for (int64_t i = 0; i < h; ++i) {  // NaN: any NaN
        const auto same = [i](const Tensor& a, const Tensor& b) {
          if (std::isnan(b.At(0, i))) return std::isnan(a.At(0, i));
          return a.At(0, i) == b.At(0, i) && std::signbit(a.At(0, i)) == std::signbit(b.At(0, i));
        };
        ASSERT_TRUE(same(wide, wide_ref)) << i;
        ASSERT_TRUE(same(narrow, narrow_ref)) << i << " " << low;
      }
    }
  }
}

TEST_F(GpuRowOps, GatherTakesTheNamedRows) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t h : {1, 13, 64, 5000}) {
      for (const int64_t gap : {0, 2, 8}) {
        Tensor x = Tensor(dtype, {6, h}, gap).Random(1);
        x.Set(5, h / 2, std::numeric_limits<float>::quiet_NaN());
        const Tensor rows = Tensor::Ints({5, 0, 5, 3});
        const Tensor y(dtype, {4, h}, gap);
        RunGpu("gather_rows", "gpu", {x, rows}, {y});
        EXPECT_TRUE(y.SameRow(0, x, 5) && y.SameRow(1, x, 0));
        EXPECT_TRUE(y.SameRow(2, x, 5) && y.SameRow(3, x, 3));
        EXPECT_TRUE(y.CanariesLive());
      }
    }
  }
}

TEST_F(GpuRowOps, KvWriteEqualsReferenceInTheWholeCache) {
  const Tensor slot = Tensor::Ints({15, -1, 16, 47, 0});
  for (const DType dtype : testing::kFloatTypes) {
    for (const testing::CacheKind kind : testing::kCacheKinds) {
      for (const int64_t d : {7, 64, 80, 192}) {
        for (const bool tokens_first : {false, true}) {
          SCOPED_TRACE(
              fmt::format("{} into {} {} of {}", Name(dtype), Name(kind.dtype), kind.scaled, d));
          const int64_t gap = tokens_first ? 8 : 3;
          const Tensor k = Tensor(dtype, {5, 2, d}, gap).Random(1, 20);
          const Tensor v = Tensor(dtype, {5, 2, d}, gap + 2).Random(2, 20);
          Cache cache(kind.dtype, 3, 2, d, tokens_first, kind.scaled);
          Cache reference(kind.dtype, 3, 2, d, tokens_first, kind.scaled);
          RunGpu("kv_write", "gpu", {k, v, slot}, {}, {}, &cache.view);
          RunOp("kv_write", "reference", {k, v, slot}, {}, {}, 1, &reference.view);
          ExpectSame(cache.k, reference.k);
          ExpectSame(cache.v, reference.v);
        }
      }
    }
  }
}

// Many tokens of a realistic layer, some stored nowhere.
TEST_F(GpuRowOps, KvWriteTakesManyTokens) {
  const int64_t n = 300, hk = 8, d = 128;
  const Tensor k = Tensor(DType::kBF16, {n, hk, d}).Random(1, 3);
  const Tensor v = Tensor(DType::kBF16, {n, hk, d}).Random(2, 3);
  std::vector<int32_t> slots(n);
  for (int64_t i = 0; i < n; ++i) slots[i] = i % 9 == 4 ? -1 : static_cast<int32_t>(i * 7 % 304);
  const Tensor slot = Tensor::Ints(slots);
  for (const DType kv_dtype : {DType::kBF16, DType::kF8E4M3}) {
    Cache cache(kv_dtype, 19, hk, d, false);
    Cache reference(kv_dtype, 19, hk, d, false);
    RunGpu("kv_write", "gpu", {k, v, slot}, {}, {}, &cache.view);
    RunOp("kv_write", "reference", {k, v, slot}, {}, {}, 1, &reference.view);
    ExpectSame(cache.k, reference.k);
    ExpectSame(cache.v, reference.v);
  }
}

// Quotients are rounded as division rounds them, also where scales or numbers are extreme; ties,
// zeros of both signs and infinities among them.
TEST_F(GpuRowOps, KvWriteDividesByAnyScale) {
  constexpr int64_t kHeads = 8, kDim = 64;
  const float scales[kHeads] = {1e-42f, 3e-30f, 0x1p-9f, 0.0371f, 0.9999999f, 1.7f, 4e20f, 3e38f};
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t gap : {3, 8}) {
      SCOPED_TRACE(fmt::format("{} gap {}", Name(dtype), gap));
      const float infinity = std::numeric_limits<float>::infinity();
      Tensor x = Tensor(dtype, {1, kHeads, kDim}, gap).Random(1, 1);
      for (int64_t i = 0; i < kHeads * kDim; ++i) {
        const float scale = scales[i / kDim], tie = 17.0f * std::exp2(static_cast<float>(i % 9));
        const float special[] = {0.0f, -0.0f, infinity, -infinity, 447 * scale, tie * scale};
        const int64_t kind = i % 8;
        x.Set(0, i, kind < 6 ? special[kind] : x.At(0, i) * 500 * scale);
      }
      Cache cache(DType::kF8E4M3, 1, kHeads, kDim, false, true);
      Cache reference(DType::kF8E4M3, 1, kHeads, kDim, false, true);
      for (Cache* c : {&cache, &reference}) c->k_scales.assign(scales, scales + kHeads);
      for (Cache* c : {&cache, &reference}) c->view.k_scale = c->k_scales.data();
      const Tensor slot = Tensor::Ints({5});
      RunGpu("kv_write", "gpu", {x, x, slot}, {}, {}, &cache.view);
      RunOp("kv_write", "reference", {x, x, slot}, {}, {}, 1, &reference.view);
      ExpectSame(cache.k, reference.k);
      ExpectSame(cache.v, reference.v);
    }
  }
}

// Equal types move by their bits: a signalling NaN keeps its payload.
TEST_F(GpuRowOps, KvWriteKeepsBits) {
  const Tensor k = Tensor(DType::kBF16, {1, 1, 32}).Random(1);
  k.view().row<uint16_t>(0)[3] = 0x7f81;
  const Tensor zero = Tensor::Ints({0});
  Cache cache(DType::kBF16, 1, 1, 32, false);
  RunGpu("kv_write", "gpu", {k, k, zero}, {}, {}, &cache.view);
  EXPECT_EQ(cache.k.view().row<uint16_t>(0)[3], 0x7f81);
}

}  // namespace
}  // namespace rw
