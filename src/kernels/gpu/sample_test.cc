// sample on the GPU takes the token that the reference takes, however many blocks share a row.
#include "kernels/gpu/testing.h"
#include "kernels/sample_testing.h"

namespace rw {
namespace {

using ::testing::ElementsAre;
using testing::kInfinity;
using testing::kNan;
using testing::Logits;
using testing::SampleOperands;
using testing::Tensor;

class GpuSample : public testing::GpuTest {};

std::vector<int32_t> Sample(const TensorView& x, const std::vector<SampleRule>& rules) {
  const SampleOperands operands(rules);
  testing::RunGpu("sample", "gpu", {x, operands.how, operands.pick}, {operands.y});
  return operands.Tokens();
}
std::vector<int32_t> Reference(const TensorView& x, const std::vector<SampleRule>& rules) {
  const SampleOperands operands(rules);
  testing::RunOp("sample", "reference", {x, operands.how, operands.pick}, {operands.y});
  return operands.Tokens();
}

TEST_F(GpuSample, GreedyFindsTheFirstOfTheLargest) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t v : {1, 2, 31, 256, 1000, 32003, 151936}) {
      for (const int64_t rows : {1, 5}) {
        SCOPED_TRACE(fmt::format("{} {}x{}", Name(dtype), rows, v));
        // In the short types many numbers of a long row are equal.
        const Tensor x = Tensor(dtype, {rows, v}, v % 2 == 0 ? 8 : 1).Random(v, 3);
        std::vector<int32_t> expected;
        for (int64_t r = 0; r < rows; ++r) {
          int64_t best = 0;
          for (int64_t i = 1; i < v; ++i) best = x.At(r, i) > x.At(r, best) ? i : best;
          expected.push_back(static_cast<int32_t>(best));
        }
        EXPECT_EQ(Sample(x, std::vector<SampleRule>(rows)), expected);
      }
    }
  }
}

TEST_F(GpuSample, GreedyTakesEveryPlaceAndTheFirstOfTwo) {
  const int64_t v = 5003;  // more than one block may share a row
  const std::vector<int32_t> places = {0, 1, 31, 32, 255, 256, 1023, 1024, 2047, 4096, 5002};
  Tensor x(DType::kF32, {static_cast<int64_t>(places.size()), v});
  for (int64_t r = 0; r < x.view().rows(); ++r) {
    for (int64_t i = 0; i < v; ++i) x.Set(r, i, -2.0f);  // all numbers below zero
    x.Set(r, places[r], -1.0f);
    x.Set(r, v - 1, -1.0f);
  }
  EXPECT_EQ(Sample(x, std::vector<SampleRule>(places.size())), places);
}

// NaN and infinities never win, wherever they are.
TEST_F(GpuSample, TakesFiniteNumbersOnly) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t v : {40, 9001}) {
      Tensor x(dtype, {6, v});
      for (int64_t i = 0; i < v; ++i) {
        x.Set(0, i, kNan), x.Set(1, i, -kInfinity), x.Set(2, i, i % 2 == 0 ? kNan : kInfinity);
        x.Set(3, i, i % 3 == 0 ? kNan : i % 3 == 1 ? -kInfinity : kInfinity);
        x.Set(4, i, i == 0 ? kNan : -1.0f), x.Set(5, i, -0.0f);
      }
      x.Set(3, v - 1, -7.0f);
      x.Set(5, 17, 0.0f);  // no larger than -0
      const auto last = static_cast<int32_t>(v - 1);
      EXPECT_THAT(Sample(x, std::vector<SampleRule>(6)), ElementsAre(-1, -1, -1, last, 1, 0));
      const SampleRule rule{.temperature = 1, .top_p = 0.5f, .top_k = 3};
      EXPECT_THAT(Sample(x, std::vector<SampleRule>(6, rule)), ElementsAre(-1, -1, -1, last, 1, 0));
    }
  }
}

TEST_F(GpuSample, EqualsReferenceWhateverTheRule) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const Logits kind : testing::kLogits) {
      for (const int64_t v : {1, 40, 1003, 4096, 32003}) {
        SCOPED_TRACE(fmt::format("{} {} {}", Name(dtype), static_cast<int>(kind), v));
        const int64_t rows = 25;
        const std::vector<SampleRule> rules = testing::SomeRules(rows, static_cast<uint32_t>(v));
        const Tensor x = testing::SomeLogits(kind, dtype, rows, v, 3, v % 2 == 0 ? 8 : 1);
        EXPECT_EQ(Sample(x, rules), Reference(x, rules));
      }
    }
  }
}

TEST_F(GpuSample, AgreesWithAPlainSampler) {
  for (const Logits kind : testing::kLogits) {
    const std::vector<SampleRule> rules = testing::SomeRules(30, 17);
    const Tensor x = testing::SomeLogits(kind, DType::kF32, 30, 3000, 8);
    testing::ExpectPlainSamples(x, rules, Sample(x, rules));
  }
}

// One row is shared by many blocks, 64 by a few each, 700 are one block's each.
TEST_F(GpuSample, RowsStandAlone) {
  for (const int64_t v : {8200, 128256}) {
    const int64_t rows = v > 10000 ? 64 : 700;
    const std::vector<SampleRule> rules = testing::SomeRules(rows, 23);
    const Tensor x = testing::SomeLogits(Logits::kPlain, DType::kBF16, rows, v, 2);
    const std::vector<int32_t> together = Sample(x, rules);
    EXPECT_EQ(together, Reference(x, rules));
    for (int64_t r = 0; r < rows; r += 13) {
      EXPECT_THAT(Sample(testing::Rows(x, r), {rules[r]}), ElementsAre(together[r])) << r;
    }
  }
}

// More equal logits than a word can weigh.
TEST_F(GpuSample, ManyEqualTokens) {
  const int64_t v = 200000;
  Tensor x(DType::kBF16, {6, v});
  for (int64_t r = 0; r < 6; ++r) {
    for (int64_t i = 0; i < v; ++i) x.Set(r, i, 1.5f);
  }
  const std::vector<SampleRule> rules = {
      {.temperature = 1, .draw = testing::kHalf},
      {.temperature = 1, .top_p = 0.5f, .draw = testing::kHalf},
      {.temperature = 1, .top_k = 1000, .draw = testing::kHalf},
      {.temperature = 1, .top_p = 0.5f, .top_k = 1000, .draw = testing::kHalf},
      {.temperature = 1, .draw = 0xffffffffu},
      {.temperature = 1, .top_p = 0.25f, .draw = 0xffffffffu}};
  EXPECT_THAT(Sample(x, rules), ElementsAre(100000, 50000, 500, 250, 199999, 49999));
}

// Blocks count each other and add up in scratch: a replay finds all as the first launch did.
TEST_F(GpuSample, Replays) {
  const int64_t rows = 8, v = 100003;
  const SampleOperands operands(testing::SomeRules(rows, 3));
  const Tensor x(DType::kBF16, {rows, v});
  testing::GpuRun run(std::vector<testing::GpuCall>{
      {"sample", gpu::kProvider, {x, operands.how, operands.pick}, {operands.y}}});
  run.Launch();  // of poison
  run.Download();
  EXPECT_THAT(operands.Tokens(), ::testing::Each(-1));
  const testing::CapturedGraph graph(run);
  for (const uint32_t seed : {1u, 2u, 3u}) {
    testing::CopyRows(testing::SomeLogits(Logits::kPlain, DType::kBF16, rows, v, seed), x);
    const std::vector<SampleRule> rules = testing::SomeRules(rows, seed);
    const SampleOperands other(rules);
    testing::CopyRows(other.how, operands.how);
    testing::CopyRows(other.pick, operands.pick);
    run.Upload();
    for (int replay = 0; replay < 2; ++replay) {
      graph.Replay();
      graph.Replay();
      run.Download();
      EXPECT_EQ(operands.Tokens(), Reference(x, rules));
    }
  }
}

}  // namespace
}  // namespace rw
