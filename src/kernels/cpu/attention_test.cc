// attention: its meaning by hand, vectors against the reference within a bound, and the same bits
// for a query alone, in a chunk or in a whole prefill.
#include "kernels/cpu/testing.h"

namespace rw {
namespace {

using testing::Cache;
using testing::ForEachTarget;
using testing::RunOp;
using testing::Tensor;

struct Options {
  int64_t hq = 4, hk = 2, d = 64;
  DType dtype = DType::kF32, kv_dtype = DType::kF32;
  double softcap = 0;
  int64_t window = 0;
  bool tokens_first = false;  // the cache's order: [pages, 16, hk, d]
  bool scaled = false;        // each head of the cache
};

// Sequences of given lengths in a cache of scattered pages. What no token has written is NaN.
class World {
 public:
  World(const Options& options, std::vector<int32_t> lengths)
      : options_(options), lengths_(std::move(lengths)) {
    for (const int32_t length : lengths_) {
      width_ = std::max<int64_t>(width_, (length + kPageSize - 1) / kPageSize);
    }
    const int64_t pages = width_ * sequences() + 3;
    cache_ = std::make_unique<Cache>(options.kv_dtype, pages, options.hk, options.d,
                                     options.tokens_first, options.scaled);
    for (int64_t i = 0; i < width_ * sequences(); ++i) {  // every page once, out of order
      table_.push_back(static_cast<int32_t>(pages - 1 - (i * 7) % (width_ * sequences())));
    }
    if (width_ * sequences() % 7 == 0) {
      std::iota(table_.begin(), table_.end(), 1);
    }
    for (int64_t s = 0; s < sequences(); ++s) Write(s);
  }

  int64_t sequences() const { return static_cast<int64_t>(lengths_.size()); }

  // Attention for the last counts[s] tokens of each sequence when it is lengths[s] long.
  void Attend(std::string_view provider, const Tensor& q, const std::vector<int32_t>& counts,
              const std::vector<int32_t>& lengths, const Tensor& y, int threads = 1) const {
    std::vector<int32_t> qstart = {0};
    for (const int32_t count : counts) qstart.push_back(qstart.back() + count);
    Tensor table(DType::kI32, {sequences(), width_}, 2);
    for (int64_t s = 0; s < sequences(); ++s) {
      std::copy_n(table_.begin() + s * width_, width_, table.view().row<int32_t>(s));
    }
    const Attrs attrs{{"scale", 1 / std::sqrt(static_cast<double>(options_.d))},
                      {"softcap", options_.softcap},
                      {"window", options_.window}};
    RunOp("attention", provider, {q, Tensor::Ints(qstart), Tensor::Ints(lengths), table}, {y},
          attrs, threads, &cache_->view);
  }

 private:
  void Write(int64_t s) {
    std::vector<int32_t> slots;
    for (int32_t p = 0; p < lengths_[s]; ++p) {
      const auto page = table_[s * width_ + p / kPageSize];
      slots.push_back(static_cast<int32_t>(page * kPageSize + p % kPageSize));
    }
    if (slots.empty()) return;
    const std::vector<int64_t> dims = {lengths_[s], options_.hk, options_.d};
    const auto seed = static_cast<uint32_t>(s);
    const Tensor k = Tensor(options_.dtype, dims).Random(2 * seed + 1, 2);
    const Tensor v = Tensor(options_.dtype, dims).Random(2 * seed + 2, 2);
    RunOp("kv_write", "reference", {k, v, Tensor::Ints(slots)}, {}, {}, 1, &cache_->view);
  }

  Options options_;
  std::vector<int32_t> lengths_;
  int64_t width_ = 1;
  std::vector<int32_t> table_;
  std::unique_ptr<Cache> cache_;
};

// |q| <= 2 and |k| <= 2, or 1/16 more after fp8, so a raw score sums at most |q| |k| sqrt(d) in
// magnitude; its relative error is d half ulps on each side, tanh adds a few. Weights inherit it,
// with a few ulps of e^x and one for each of the additions; values are as large as keys.
double Bound(const Options& options, int64_t length) {
  const auto d = static_cast<double>(options.d);
  const double largest = options.kv_dtype == DType::kF8E4M3 ? 2.125 : 2;
  const double score = 2 * largest * std::sqrt(d) * (2 * d + 16) * testing::kEps;
  return 2 * largest * (2 * score + (static_cast<double>(length) + 16) * testing::kEps);
}

void ExpectFollowsReference(const Options& options, const std::vector<int32_t>& lengths,
                            const std::vector<int32_t>& counts) {
  SCOPED_TRACE(fmt::format("d {} heads {}/{} {} {} scaled {} softcap {} window {}", options.d,
                           options.hq, options.hk, Name(options.dtype), Name(options.kv_dtype),
                           options.scaled, options.softcap, options.window));
  const World world(options, lengths);
  const int64_t n = std::accumulate(counts.begin(), counts.end(), 0);
  const std::vector<int64_t> dims = {n, options.hq, options.d};
  const Tensor q = Tensor(options.dtype, dims, 5).Random(99, 2);
  const Tensor y(options.dtype, dims, 3), reference(options.dtype, dims);
  world.Attend("simd", q, counts, lengths, y, 2);
  world.Attend("reference", q, counts, lengths, reference);
  const double bound = Bound(options, *std::ranges::max_element(lengths));
  testing::ExpectNear(y, reference, [bound](int64_t, int64_t) { return bound; });
  EXPECT_FALSE(y.AnyNan());
  EXPECT_TRUE(y.CanariesLive());
}

TEST(Attention, AveragesValuesByWeight) {
  // One query, two positions, scores 0 and ln 3: weights 1/4 and 3/4.
  Tensor k(DType::kF32, {1, kPageSize * 2}), v(DType::kF32, {1, kPageSize * 2});
  k.Set(0, 0, 0), k.Set(0, 1, 0), k.Set(0, 2, std::log(3.0f)), k.Set(0, 3, 0);
  v.Set(0, 0, 1), v.Set(0, 1, 0), v.Set(0, 2, 5), v.Set(0, 3, 8);
  const KvLayerView kv{k.view().data, v.view().data, DType::kF32, 1, 1, 2, 32, 32, 2};
  Tensor q(DType::kF32, {1, 1, 2});
  q.Set(0, 0, 2), q.Set(0, 1, 7);
  Tensor table(DType::kI32, {1, 1});
  *table.view().row<int32_t>(0) = 0;
  const Attrs attrs{{"scale", 0.5}, {"softcap", 0.0}, {"window", int64_t{0}}};
  for (const std::string_view provider : {"reference", "simd"}) {
    const Tensor y(DType::kF32, {1, 1, 2});
    RunOp("attention", provider, {q, Tensor::Ints({0, 1}), Tensor::Ints({2}), table}, {y}, attrs, 1,
          &kv);
    EXPECT_NEAR(y.At(0, 0), 4.0f, 1e-5);
    EXPECT_NEAR(y.At(0, 1), 6.0f, 1e-5);
  }
}

TEST(Attention, ReadsF8InUnitsOfItsHeadsScale) {
  // As above; 1 and 5 are 2 and 10 units, ln 3 is one.
  Tensor k(DType::kF32, {2, 1, 2}), v(DType::kF32, {2, 1, 2});
  k.Set(0, 0, 0), k.Set(0, 1, 0), k.Set(1, 0, std::log(3.0f)), k.Set(1, 1, 0);
  v.Set(0, 0, 1), v.Set(0, 1, 0), v.Set(1, 0, 5), v.Set(1, 1, 8);
  Tensor q(DType::kF32, {1, 1, 2}), table(DType::kI32, {1, 1});
  q.Set(0, 0, 2), q.Set(0, 1, 7);
  *table.view().row<int32_t>(0) = 0;
  const Attrs attrs{{"scale", 0.5}, {"softcap", 0.0}, {"window", int64_t{0}}};
  testing::ForEachProvider([&](std::string_view provider) {
    Cache cache(DType::kF8E4M3, 1, 1, 2, false, true);
    cache.k_scales[0] = std::log(3.0f);
    cache.v_scales[0] = 0.5f;
    RunOp("kv_write", provider, {k, v, Tensor::Ints({0, 1})}, {}, {}, 1, &cache.view);
    const Tensor y(DType::kF32, {1, 1, 2});
    RunOp("attention", provider, {q, Tensor::Ints({0, 1}), Tensor::Ints({2}), table}, {y}, attrs, 1,
          &cache.view);
    EXPECT_NEAR(y.At(0, 0), 4.0f, 1e-5);
    EXPECT_NEAR(y.At(0, 1), 6.0f, 1e-5);
  });
}

TEST(Attention, SimdFollowsReferenceInEveryShape) {
  ForEachTarget([] {
    for (const int64_t d : {16, 32, 40, 64, 80, 96, 128, 256, 6}) {
      ExpectFollowsReference({.hq = 4, .hk = 2, .d = d}, {33, 5}, {7, 1});
    }
    for (const int64_t hq : {2, 4, 6, 14, 40}) {
      ExpectFollowsReference({.hq = hq, .hk = 2, .d = 32}, {20, 70, 1, 130}, {20, 1, 1, 41});
    }
    ExpectFollowsReference({.hq = 3, .hk = 3, .d = 32, .tokens_first = true}, {50, 17}, {50, 2});
  });
}

TEST(Attention, SimdFollowsReferenceInEveryType) {
  ForEachTarget([] {
    for (const DType dtype : testing::kFloatTypes) {
      for (const DType kv_dtype : testing::kCacheTypes) {
        ExpectFollowsReference({.d = 40, .dtype = dtype, .kv_dtype = kv_dtype}, {37, 66}, {37, 3});
      }
      for (const int64_t d : {6, 40, 128}) {  // words of fp8 or not
        for (const bool tokens_first : {false, true}) {
          ExpectFollowsReference({.d = d,
                                  .dtype = dtype,
                                  .kv_dtype = DType::kF8E4M3,
                                  .tokens_first = tokens_first,
                                  .scaled = true},
                                 {37, 66}, {37, 3});
        }
      }
    }
  });
}

TEST(Attention, SimdFollowsReferenceAtEveryEdge) {
  ForEachTarget([] {
    for (const int32_t length : {1, 15, 16, 17, 31, 32, 63, 64, 65, 128, 129}) {
      ExpectFollowsReference({.d = 16}, {length}, {length});
      ExpectFollowsReference({.d = 16}, {length}, {1});
      for (const int64_t window : {1, 5, 16, 17, 40, 64, 100}) {
        ExpectFollowsReference({.d = 16, .window = window}, {length}, {length});
        ExpectFollowsReference({.d = 16, .softcap = 3.0, .window = window}, {length}, {1});
      }
    }
    ExpectFollowsReference({.d = 16}, {9, 20, 3}, {9, 0, 3});  // a sequence with nothing to ask
  });
}

// The bits of a query's row: alone (a decode), in chunks of every size, or in one prefill, with
// other sequences beside it, on any number of threads.
TEST(Attention, QueriesAreAloneInAnyCompany) {
  for (const std::string_view provider : {"simd", "reference"}) {
    ForEachTarget([&] {
      for (const int64_t window : {0, 24}) {
        for (const int64_t hq : {2, 6, 16}) {
          const Options options{.hq = hq,
                                .hk = 2,
                                .d = 48,
                                .dtype = DType::kF32,
                                .kv_dtype = hq == 6 ? DType::kF8E4M3 : DType::kBF16,
                                .softcap = 20,
                                .window = window,
                                .scaled = hq == 6};
          const int32_t length = 150;
          const World world(options, {length, 40});
          const Tensor q = Tensor(DType::kF32, {length, hq, 48}).Random(5, 2);
          const Tensor all(DType::kF32, {length, hq, 48});
          world.Attend(provider, q, {length, 0}, {length, 40}, all);
          for (const int32_t chunk : {1, 2, 7, 16, 33, 64}) {
            for (int32_t first = 0; first < length; first += chunk) {
              const int32_t count = std::min(chunk, length - first);
              const Tensor part(DType::kF32, {count + 2, hq, 48});
              for (int32_t i = 0; i < count + 2; ++i) {
                const std::span row = q.Row(std::min(first + i, length - 1));
                std::memcpy(part.view().row<float>(i), row.data(), row.size());
              }
              const Tensor y(DType::kF32, {count + 2, hq, 48});
              world.Attend(provider, part, {count, 2}, {first + count, 40}, y, 1 + chunk % 3);
              for (int32_t i = 0; i < count; ++i) {
                ASSERT_TRUE(y.SameRow(i, all, first + i)) << chunk << " " << first + i;
              }
            }
            if (provider == "reference" && chunk == 7) break;  // it is slow, and plainly so
          }
        }
      }
    });
  }
}

TEST(Attention, NanReachesOnlyWhoSeesIt) {
  ForEachTarget([] {
    const Options options{.hq = 2, .hk = 1, .d = 32};
    World world(options, {40});
    Tensor q = Tensor(DType::kF32, {40, 2, 32}).Random(5);
    const Tensor clean(DType::kF32, {40, 2, 32});
    world.Attend("simd", q, {40}, {40}, clean);
    q.Set(9, 3, std::numeric_limits<float>::quiet_NaN());  // a query: its own head only
    const Tensor y(DType::kF32, {40, 2, 32});
    world.Attend("simd", q, {40}, {40}, y);
    for (int64_t i = 0; i < 40; ++i) {
      EXPECT_EQ(std::isnan(y.At(i, 0)), i == 9);
      EXPECT_FALSE(std::isnan(y.At(i, 32)));
      if (i != 9) {
        EXPECT_TRUE(y.SameRow(i, clean, i));
      }
    }
  });
}

}  // namespace
}  // namespace rw
