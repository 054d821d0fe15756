// attention on the GPU against the reference: in every bit where the weights are 0 and 1, within a
// bound elsewhere.
#include "kernels/gpu/attention_testing.h"

namespace rw {
namespace {

using testing::AttentionStep;
using testing::CacheKind;
using testing::Keys;
using testing::Part;
using testing::Tensor;
using testing::World;
using Options = testing::AttentionOptions;

class GpuAttention : public testing::GpuTest {};

struct Sequence {
  int32_t length, count;  // count new tokens, the last ones
};

// |q| and |k| <= 2, so a raw score sums at most 4 sqrt(d) in magnitude; its relative error is d
// half ulps in the reference and 2 d in a product unit that cuts instead of rounding, and tanh adds
// a few. Weights inherit it, with a few ulps of e^x and one for each of the additions; values are
// at most 2. Where a product unit takes the weights, they are rounded to 16 bits: half a step of
// the type in each weight and in their sum.
double Bound(const Options& options, int64_t length) {
  const auto d = static_cast<double>(options.d);
  const double score = 4 * std::sqrt(d) * (3 * d + 16) * testing::kEps;
  double rounding = 0;
  if (options.dtype != DType::kF32) {
    rounding = testing::UlpOf(options.dtype);
    if (options.kv.dtype == DType::kBF16) rounding = testing::UlpOf(DType::kBF16);
  }
  return 2 * (2 * (2 * score + (static_cast<double>(length) + 16) * testing::kEps) + rounding);
}

void ExpectFollowsReference(const Options& options, const std::vector<Sequence>& sequences,
                            Keys keys) {
  std::vector<int32_t> lengths;
  std::vector<Part> parts;
  for (const Sequence& s : sequences) {
    parts.push_back({static_cast<int32_t>(parts.size()), s.length, s.count});
    lengths.push_back(s.length);
  }
  const World world(options, lengths, keys);
  const AttentionStep step = world.Step(parts);
  const Tensor q = world.Queries(parts, options.tokens_first ? 5 : 0);
  const Tensor y(options.dtype, world.QueryDims(parts), options.tokens_first ? 8 : 0);
  const Tensor reference(options.dtype, world.QueryDims(parts));
  world.AttendOnGpu(step, q, y);
  world.AttendByReference(step, q, reference);
  EXPECT_FALSE(y.AnyNan());
  EXPECT_TRUE(y.CanariesLive());
  if (keys == Keys::kRandom) {
    const double bound = Bound(options, step.bounds.max_length);
    testing::ExpectNear(y, reference, [bound](int64_t, int64_t) { return bound; });
    return;
  }
  for (int64_t r = 0; r < y.view().rows(); ++r) {
    for (int64_t i = 0; i < y.view().width(); ++i) {
      // A query's own key has all of the weight but what is lost where P is rounded to 16 bits.
      const double lost = options.kv.dtype == DType::kF8E4M3
                              ? testing::UlpOf(options.dtype) * std::abs(reference.At(r, i))
                              : 0;
      ASSERT_NEAR(y.At(r, i), reference.At(r, i), lost) << r << "," << i;
    }
  }
}

// Both kinds of keys, where they can be: patterns of few elements are too much alike, and a soft
// cap takes their distance away.
void ExpectFollowsReference(const Options& options, const std::vector<Sequence>& sequences) {
  SCOPED_TRACE(fmt::format("d {} heads {}/{} {} {} scaled {} softcap {} window {} tokens first {}",
                           options.d, options.hq, options.hk, Name(options.dtype),
                           Name(options.kv.dtype), options.kv.scaled, options.softcap,
                           options.window, options.tokens_first));
  ExpectFollowsReference(options, sequences, Keys::kRandom);
  if (options.d < 64 || options.softcap > 0) return;
  SCOPED_TRACE("codes");
  ExpectFollowsReference(options, sequences, Keys::kCodes);
}

TEST_F(GpuAttention, EveryHeadDim) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t d : {64, 80, 96, 128, 192, 256, 16, 40, 7}) {
      const Options options{.d = d, .dtype = dtype, .kv = {dtype, false}, .tokens_first = d == 80};
      ExpectFollowsReference(options, {{33, 7}, {5, 1}, {150, 1}});
      ExpectFollowsReference(options, {{33, 1}, {150, 1}});
    }
  }
}

TEST_F(GpuAttention, EveryGroup) {
  for (const int64_t group : {1, 2, 3, 4, 5, 6, 7, 8, 12, 16}) {
    for (const int64_t d : {64, 128}) {
      const Options options{.hq = group * 2, .d = d, .tokens_first = group % 2 == 0};
      ExpectFollowsReference(options, {{20, 20}, {70, 1}, {1, 1}, {130, 41}});
      ExpectFollowsReference(options, {{20, 1}, {140, 1}, {1, 1}});
    }
  }
  ExpectFollowsReference({.hq = 5, .hk = 1, .dtype = DType::kF32, .kv = {DType::kF32, false}},
                         {{33, 4}, {70, 1}});
}

TEST_F(GpuAttention, EveryCache) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const CacheKind kv : testing::kCacheKinds) {
      for (const bool tokens_first : {false, true}) {
        for (const int64_t d : {64, 128}) {
          const Options options{.d = d, .dtype = dtype, .kv = kv, .tokens_first = tokens_first};
          ExpectFollowsReference(options, {{37, 19}, {66, 3}, {47, 1}});
          ExpectFollowsReference(options, {{37, 1}, {200, 1}});
        }
      }
    }
  }
  ExpectFollowsReference({.d = 80, .kv = {DType::kF8E4M3, true}}, {{37, 19}, {47, 1}});
  ExpectFollowsReference({.d = 256, .kv = {DType::kF8E4M3, true}}, {{37, 19}, {47, 1}});
}

// Lengths around pages, tiles and the parts that a long sequence is cut into.
TEST_F(GpuAttention, EveryEdge) {
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    for (const int32_t length : {1, 2, 15, 16, 17, 32, 63, 64, 65, 127, 128, 129, 256, 257}) {
      const Options options{.hq = 2, .hk = 1, .dtype = dtype, .kv = {dtype, false}};
      ExpectFollowsReference(options, {{length, length}});
      ExpectFollowsReference(options, {{length, 1}});
      if (length > 20) ExpectFollowsReference(options, {{length, 18}});
    }
  }
}

TEST_F(GpuAttention, WindowsAndSoftcap) {
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    for (const int64_t window : {1, 5, 16, 17, 64, 100, 128, 200}) {
      Options options{.dtype = dtype, .kv = {dtype, false}, .window = window};
      ExpectFollowsReference(options, {{150, 150}, {90, 30}, {17, 1}});
      ExpectFollowsReference(options, {{600, 1}, {150, 1}, {17, 1}});
      options.softcap = 3;
      ExpectFollowsReference(options, {{90, 30}, {150, 1}});
      ExpectFollowsReference(options, {{300, 1}});
    }
    Options options{.d = 128, .dtype = dtype, .kv = {dtype, false}, .softcap = 50};
    ExpectFollowsReference(options, {{90, 30}, {150, 1}});
    ExpectFollowsReference(options, {{300, 1}});
  }
}

// One position draws every query that sees it. Who does not, before it in the chunk or after it by
// a window, must not feel its value of 100.
TEST_F(GpuAttention, OnePositionDrawsAllWhoSeeIt) {
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    for (const int64_t window : {0, 37, 128}) {
      for (const int32_t beacon : {0, 15, 16, 63, 64, 100, 127, 128, 199}) {
        SCOPED_TRACE(fmt::format("{} window {} beacon {}", Name(dtype), window, beacon));
        const Options options{.dtype = dtype, .kv = {dtype, false}, .window = window};
        const World world(options, {200, 200}, Keys::kBeacon, beacon);
        const std::vector<Part> parts = {{0, 200, 190}, {1, 150, 1}};
        const Tensor q = world.Queries(parts), y(dtype, world.QueryDims(parts));
        world.AttendOnGpu(world.Step(parts), q, y);
        int64_t row = 0;
        for (const Part& part : parts) {
          for (int32_t p = part.length - part.count; p < part.length; ++p, ++row) {
            for (int64_t i = 0; i < y.view().width(); ++i) {
              if (world.Sees(p, beacon)) {
                ASSERT_EQ(y.At(row, i), 100) << p;
              } else {
                ASSERT_LE(std::abs(y.At(row, i)), 2.02) << p;
              }
            }
          }
        }
      }
    }
  }
}

TEST_F(GpuAttention, SequencesWithoutPositionsOrQueries) {
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    const Options options{.dtype = dtype, .kv = {dtype, false}};
    ExpectFollowsReference(options, {{0, 0}, {9, 3}, {0, 0}, {20, 1}, {0, 0}});
    ExpectFollowsReference(options, {{9, 9}, {20, 0}, {3, 3}});
    ExpectFollowsReference(options, {{0, 0}, {40, 1}, {300, 0}, {33, 1}, {0, 0}});
  }
}

TEST_F(GpuAttention, LongContexts) {
  for (const int64_t window : {0, 1000}) {
    ExpectFollowsReference({.d = 128, .window = window}, {{3000, 1}, {17, 1}, {2049, 1}, {1, 1}});
    ExpectFollowsReference({.hq = 2, .hk = 1, .window = window}, {{3000, 40}, {2999, 1}});
    ExpectFollowsReference({.d = 128, .kv = {DType::kF8E4M3, true}, .window = window}, {{3000, 1}});
  }
  ExpectFollowsReference({.hq = 2, .hk = 1, .dtype = DType::kF32, .kv = {DType::kF32, false}},
                         {{3000, 1}, {1500, 20}});
  // Around as many parts as a cluster has blocks, and twice as many.
  for (const int32_t length : {1007, 1008, 1009, 1024, 1025, 1040, 2047, 2048, 2049}) {
    for (const int64_t window : {0, 130, 1024}) {
      ExpectFollowsReference({.hq = 8, .hk = 2, .d = 128, .window = window}, {{length, 1}});
      ExpectFollowsReference({.kv = {DType::kF8E4M3, true}, .softcap = 30, .window = window},
                             {{length, 1}, {5, 1}});
    }
  }
  // More positions than the largest number of parts of the smallest size.
  ExpectFollowsReference({.hq = 8, .hk = 1}, {{4096, 1}, {4097, 1}, {5200, 1}});
}

TEST_F(GpuAttention, ManySequences) {
  for (const Options& options : {Options{.hq = 8, .hk = 2, .d = 128},
                                 {.hq = 3, .hk = 3, .d = 64, .kv = {DType::kF8E4M3, true}},
                                 {.dtype = DType::kF32, .kv = {DType::kF32, false}}}) {
    std::vector<Sequence> decodes, mixed;
    for (int32_t s = 0; s < 200; ++s) decodes.push_back({1 + s * 37 % 90, 1});
    for (int32_t s = 0; s < 60; ++s) {
      const int32_t length = 1 + s * 53 % 150;
      mixed.push_back({length, s % 5 == 4 ? std::min(length, s) : 1});
    }
    ExpectFollowsReference(options, decodes);
    ExpectFollowsReference(options, mixed);
  }
}

// The heads of usual models, with a prompt of more than one tile.
TEST_F(GpuAttention, RealisticHeads) {
  ExpectFollowsReference({.hq = 32, .hk = 8, .d = 128}, {{140, 140}, {70, 1}});
  ExpectFollowsReference({.hq = 9, .hk = 3, .d = 64}, {{200, 200}, {100, 30}});
  ExpectFollowsReference({.hq = 8, .hk = 4, .d = 256, .softcap = 50, .window = 64}, {{90, 90}});
  ExpectFollowsReference({.hq = 14, .hk = 2, .d = 64}, {{130, 130}, {33, 1}});
}

TEST_F(GpuAttention, NanReachesOnlyItsOwnHead) {
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    const Options options{.hq = 4, .hk = 2, .dtype = dtype, .kv = {dtype, false}};
    const World world(options, {40, 60});
    const std::vector<Part> parts = {{0, 40, 40}, {1, 60, 1}};
    const AttentionStep step = world.Step(parts);
    Tensor q = world.Queries(parts);
    const Tensor clean(dtype, world.QueryDims(parts)), y(dtype, world.QueryDims(parts));
    world.AttendOnGpu(step, q, clean);
    q.Set(9, options.d + 3, std::numeric_limits<float>::quiet_NaN());  // head 1
    world.AttendOnGpu(step, q, y);
    for (int64_t r = 0; r < y.view().rows(); ++r) {
      for (int64_t i = 0; i < y.view().width(); ++i) {
        const bool own = r == 9 && i / options.d == 1;
        ASSERT_EQ(std::isnan(y.At(r, i)), own) << r << "," << i;
        if (!own) {
          ASSERT_EQ(y.At(r, i), clean.At(r, i));
        }
      }
    }
  }
}

}  // namespace
}  // namespace rw
