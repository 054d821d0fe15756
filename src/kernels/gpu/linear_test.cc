// linear, linear2 and linear3 on the GPU, by our kernels and by the vendor's library.
#include "kernels/gpu/linear.h"

#include "kernels/gpu/testing.h"

namespace rw {
namespace {

using testing::ExpectSame;
using testing::Integers;
using testing::RunGpu;
using testing::RunOp;
using testing::Tensor;

constexpr std::array kProviders = {gpu::kProvider, cuda::kProvider};

class GpuLinear : public testing::GpuTest {};

struct Case {
  int64_t n, k, m;
};
struct Types {
  DType x, w, bias, y;
};

bool Accepts(std::string_view provider, const Types& t) {
  const std::array in = {t.x, t.w, t.bias};
  const std::array out = {t.y};
  return FindKernel("linear", gpu::kDevice, {in, out}, {}, std::array{provider}) != nullptr;
}

// Whole numbers up to 3: products and sums are exact in any order and in any product unit, so every
// bit has to be the reference's.
void ExpectExact(std::string_view provider, const Types& t, const Case& c, int64_t gap) {
  SCOPED_TRACE(fmt::format("{} {} {} {} {} {}x{}x{} gap {}", provider, Name(t.x), Name(t.w),
                           Name(t.bias), Name(t.y), c.n, c.k, c.m, gap));
  const Tensor x = Integers(t.x, {c.n, c.k}, 1, 3, gap), w = Integers(t.w, {c.m, c.k}, 2, 3, gap);
  const Tensor b = Integers(t.bias, {c.m}, 3, 100);
  const Tensor y(t.y, {c.n, c.m}, gap), biased(t.y, {c.n, c.m}, gap);
  const Tensor y_ref(t.y, {c.n, c.m}), biased_ref(t.y, {c.n, c.m});
  RunGpu("linear", provider, {x, w}, {y});
  RunGpu("linear", provider, {x, w, b}, {biased});
  RunOp("linear", "reference", {x, w}, {y_ref});
  RunOp("linear", "reference", {x, w, b}, {biased_ref});
  ExpectSame(y, y_ref);
  ExpectSame(biased, biased_ref);
}

TEST_F(GpuLinear, EqualsReferenceInEveryTypeOnWholeNumbers) {
  for (const std::string_view provider : kProviders) {
    int accepted = 0;
    for (const DType dtype : testing::kFloatTypes) {
      for (const DType w_dtype : testing::kFloatTypes) {
        for (const DType out : {dtype, DType::kF32}) {
          const Types t{dtype, w_dtype, w_dtype, out};
          if (!Accepts(provider, t)) continue;
          ++accepted;
          for (const Case& c : {Case{1, 64, 16}, {1, 1, 1}, {7, 100, 13}, {40, 72, 70}}) {
            ExpectExact(provider, t, c, 0);
          }
          ExpectExact(provider, t, {5, 40, 24}, 8);
          ExpectExact(provider, t, {3, 37, 9}, 1);
        }
      }
    }
    EXPECT_GT(accepted, 0) << provider;
  }
}

// What a model needs: activations and weights of one type, logits of that type or f32.
TEST_F(GpuLinear, SomeProviderAcceptsEachTypeOfModels) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const DType out : {dtype, DType::kF32}) {
      EXPECT_TRUE(std::ranges::any_of(kProviders,
                                      [&](std::string_view provider) {
                                        return Accepts(provider, {dtype, dtype, dtype, out});
                                      }))
          << Name(dtype) << " to " << Name(out);
    }
  }
}

// Rows of tokens, columns and depths around tiles of every likely size.
TEST_F(GpuLinear, EqualsReferenceInEveryShapeOnWholeNumbers) {
  for (const std::string_view provider : kProviders) {
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      const Types t{dtype, dtype, dtype, dtype};
      if (!Accepts(provider, t)) continue;
      for (const int64_t n : {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33, 65, 130}) {
        ExpectExact(provider, t, {n, 136, 80}, 0);
      }
      for (const int64_t k : {8, 15, 16, 128, 264, 1024, 2056, 4096, 8200}) {
        for (const int64_t n : {1, 4, 12}) ExpectExact(provider, t, {n, k, 24}, 0);
      }
      for (const int64_t m : {2, 63, 64, 65, 129, 600, 5000}) {
        for (const int64_t n : {1, 8, 20}) ExpectExact(provider, t, {n, 64, m}, 0);
      }
      ExpectExact(provider, t, {300, 256, 270}, 0);
      ExpectExact(provider, t, {260, 96, 128}, 8);
    }
  }
}

// Two sums of the same k products in different orders. The reference's chains are k / 16 + 4 long.
// A product unit adds 16 products at a time, each cut to the last bit of the largest: up to 2 half
// ulps each, of running sums that are half of the whole on average, so k half ulps; twice the
// chains that float32 units have.
TEST_F(GpuLinear, FollowsReference) {
  for (const std::string_view provider : kProviders) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const DType out : {dtype, DType::kF32}) {
        const Types t{dtype, dtype, dtype, out};
        if (!Accepts(provider, t)) continue;
        for (const Case& c : {Case{1, 576, 70}, {6, 1000, 33}, {50, 264, 40}}) {
          SCOPED_TRACE(
              fmt::format("{} {} {} {}x{}x{}", provider, Name(dtype), Name(out), c.n, c.k, c.m));
          const Tensor x = Tensor(dtype, {c.n, c.k}).Random(1);
          const Tensor w = Tensor(dtype, {c.m, c.k}).Random(2), b = Tensor(dtype, {c.m}).Random(3);
          const Tensor y(out, {c.n, c.m}), reference(out, {c.n, c.m});
          RunGpu("linear", provider, {x, w, b}, {y});
          RunOp("linear", "reference", {x, w, b}, {reference});
          testing::ExpectNear(y, reference, [&](int64_t i, int64_t j) {
            double magnitude = std::abs(b.At(j, 0));
            for (int64_t l = 0; l < c.k; ++l) magnitude += std::abs(x.At(i, l) * w.At(j, l));
            return (1.0625 * static_cast<double>(c.k) + 32) * testing::kEps * magnitude;
          });
        }
      }
    }
  }
}

// A sequence that decodes alone or beside a few others computes the same bits.
TEST_F(GpuLinear, RowsAreAloneAmongFew) {
  static_assert(gpu::kSkinnyTokens >= 8);
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    for (const DType out : {dtype, DType::kF32}) {
      constexpr int64_t kFew = gpu::kSkinnyTokens;
      for (const Case& c : {Case{kFew, 576, 70}, {8, 2100, 33}, {kFew, 4096, 264}, {8, 37, 9}}) {
        SCOPED_TRACE(fmt::format("{} {} {}x{}", Name(dtype), Name(out), c.k, c.m));
        const Tensor x = Tensor(dtype, {c.n, c.k}).Random(1);
        const Tensor w = Tensor(dtype, {c.m, c.k}).Random(2), b = Tensor(dtype, {c.m}).Random(3);
        std::vector<Tensor> alone;
        for (int64_t i = 0; i < c.n; ++i) {
          alone.emplace_back(out, std::vector<int64_t>{1, c.m});
          RunGpu("linear", gpu::kProvider, {testing::Rows(x, i), w, b}, {alone.back()});
        }
        for (int64_t rows = 2; rows <= c.n; ++rows) {
          const int64_t first = (rows * 3) % (c.n - rows + 1);
          const Tensor y(out, {rows, c.m});
          RunGpu("linear", gpu::kProvider, {testing::Rows(x, first, rows), w, b}, {y});
          for (int64_t i = 0; i < rows; ++i) {
            ASSERT_TRUE(y.SameRow(i, alone[first + i], 0)) << rows << " " << i;
          }
        }
      }
    }
  }
}

TEST_F(GpuLinear, NanStaysInItsRow) {
  for (const std::string_view provider : kProviders) {
    for (const int64_t n : {7, 70}) {
      Tensor x = Tensor(DType::kBF16, {n, 56}).Random(1);
      x.Set(3, 49, std::numeric_limits<float>::quiet_NaN());
      const Tensor w = Tensor(DType::kBF16, {16, 56}).Random(2);
      const Tensor y(DType::kBF16, {n, 16});
      RunGpu("linear", provider, {x, w}, {y});
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < 16; ++j) EXPECT_EQ(std::isnan(y.At(i, j)), i == 3);
      }
    }
  }
}

// The call of linear2 or linear3 with every number of biases, the last ones missing, against
// linear of the same provider.
void ExpectManyLinears(std::string_view provider, DType dtype, int64_t n, int64_t k,
                       const std::vector<int64_t>& widths) {
  SCOPED_TRACE(fmt::format("{} {} {}x{} {}", provider, Name(dtype), n, k, widths.size()));
  const size_t count = widths.size();
  const Tensor x = Tensor(dtype, {n, k}).Random(1);
  std::vector<Tensor> w, b;
  for (size_t i = 0; i < count; ++i) {
    const auto seed = static_cast<uint32_t>(i);
    w.push_back(Tensor(dtype, {widths[i], k}).Random(10 * seed + 2));
    b.push_back(Tensor(dtype, {widths[i]}).Random(10 * seed + 3));
  }
  for (size_t biases = 0; biases <= count; ++biases) {
    std::vector<TensorView> in = {x}, out;
    in.insert(in.end(), w.begin(), w.end());
    in.insert(in.end(), b.begin(), b.begin() + static_cast<int64_t>(biases));
    std::vector<Tensor> y;
    y.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      out.push_back(y.emplace_back(dtype, std::vector{n, widths[i]}, biases % 2 == 0 ? 0 : 8));
    }
    RunGpu("linear" + std::to_string(count), provider, in, out);
    for (size_t i = 0; i < count; ++i) {
      const Tensor expected(dtype, {n, widths[i]}, biases % 2 == 0 ? 0 : 8);
      std::vector<TensorView> one = {x, w[i]};
      if (i < biases) one.push_back(b[i]);
      RunGpu("linear", provider, one, {expected});
      ExpectSame(y[i], expected);
    }
  }
}

TEST_F(GpuLinear, ManyEqualLinears) {
  for (const std::string_view provider : kProviders) {
    for (const DType dtype : testing::kFloatTypes) {
      if (!Accepts(provider, {dtype, dtype, dtype, dtype})) continue;
      for (const auto& [n, k] : {std::pair<int64_t, int64_t>{1, 104}, {3, 33}, {8, 64}, {67, 40}}) {
        ExpectManyLinears(provider, dtype, n, k, {24, 24});
        ExpectManyLinears(provider, dtype, n, k, {13, 70});
        ExpectManyLinears(provider, dtype, n, k, {66, 3, 12});
      }
      ExpectManyLinears(provider, dtype, 1, 2048, {256, 64, 64});
    }
    // The projections of a small model, and its MLP.
    for (const int64_t n : {1, 2, 8, 9, 40, 300}) {
      ExpectManyLinears(provider, DType::kBF16, n, 576, {576, 192, 192});
      ExpectManyLinears(provider, DType::kBF16, n, 576, {160, 160});
    }
  }
}

}  // namespace
}  // namespace rw
