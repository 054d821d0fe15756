#include "cli/bench_ab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rw {
namespace {

using testing::HasSubstr;

std::string ErrorOf(std::string_view text) {
  const auto question = ParseAb(text);
  return question ? "" : question.error().message;
}

TEST(Ab, AFlagAloneIsOnAndOff) {
  for (const char* text :
       {"fuse_rope_kvcache", "pass_config.fuse_rope_kvcache", "fuse_rope_kvcache=true,false"}) {
    const auto question = ParseAb(text);
    ASSERT_TRUE(question) << question.error().message;
    EXPECT_EQ(question->knob, Knob::kFuseRopeKvcache);
    EXPECT_EQ(question->values[0], KnobValue(true));
    EXPECT_EQ(question->values[1], KnobValue(false));
  }
}

TEST(Ab, TwoValuesOfAnyKnob) {
  const auto mode = ParseAb("cudagraph_mode=none,FULL");
  ASSERT_TRUE(mode) << mode.error().message;
  EXPECT_EQ(mode->values[1], KnobValue(static_cast<int64_t>(CudagraphMode::kFull)));
  const auto ops = ParseAb("custom_ops=[none,+rms_norm],all");
  ASSERT_TRUE(ops) << ops.error().message;
  EXPECT_EQ(ops->values[0], KnobValue(Names{"none", "+rms_norm"}));
  EXPECT_EQ(ops->values[1], KnobValue(Names{"all"}));
  const auto sizes = ParseAb("cudagraph_capture_sizes=[1, 2],[1,2,4]");
  ASSERT_TRUE(sizes) << sizes.error().message;
  EXPECT_EQ(sizes->values[1], KnobValue(Sizes{1, 2, 4}));
}

TEST(Ab, WhatIsWrongIsSaid) {
  EXPECT_THAT(ErrorOf("fuse_rope_kvcach"),
              HasSubstr("the nearest is pass_config.fuse_rope_kvcache"));
  EXPECT_THAT(ErrorOf("cudagraph_mode"), HasSubstr("with two values of NONE, PIECEWISE"));
  EXPECT_THAT(ErrorOf("custom_ops"), HasSubstr("custom_ops=A,B"));
  EXPECT_THAT(ErrorOf("cudagraph_mode=FULL"), HasSubstr("found 1"));
  EXPECT_THAT(ErrorOf("custom_ops=none,all,+rms_norm"), HasSubstr("a list stands in brackets"));
  EXPECT_THAT(ErrorOf("cudagraph_mode=FULL,full"), HasSubstr("two different values"));
  EXPECT_THAT(ErrorOf("fuse_act_mul=on,off"), HasSubstr("expected true or false, found on"));
  EXPECT_THAT(ErrorOf("custom_ops=[none,+rms_nrm],all"), HasSubstr("the nearest is +rms_norm"));
}

TEST(Ab, TheDefaultIsJudgedByWhatStandsOutOfTheSpread) {
  const AbGain nothing{Confidence({-1, 0.5, -0.2, 1, 0.1}), 0.3};
  const AbGain faster{Confidence({2, 2.5, 3, 2.2, 2.8}), 0.3};
  const AbGain slower{Confidence({-2, -2.5, -3, -2.2, -2.8}), 0.3};
  const AbGain no_more_than_noise{faster.gain, 2.6};
  EXPECT_EQ(Judge(0, nothing, faster).word, "supported");
  EXPECT_EQ(Judge(1, nothing, faster).word, "contradicted");
  EXPECT_EQ(Judge(1, slower, nothing).word, "supported");
  EXPECT_EQ(Judge(0, nothing, nothing).word, "not decided");
  EXPECT_EQ(Judge(0, nothing, no_more_than_noise).word, "not decided");
  EXPECT_EQ(Judge(0, slower, faster).word, "not decided");
  EXPECT_THAT(Judge(0, slower, faster).why, HasSubstr("faster for generating, slower for prompts"));
  EXPECT_EQ(Judge(-1, faster, faster).word, "not decided");
}

TEST(InTurn, GainsArePairedAndTheirMedianLiesInItsInterval) {
  EXPECT_EQ(Gains({1, 2}, {2, 3}), (std::vector<double>{100, 50}));
  std::vector<double> gains;
  for (int i = 0; i < 25; ++i) gains.push_back(5 + (i % 5) * 0.1);
  const Confidence confidence(gains);
  EXPECT_EQ(confidence.median, 5.2);
  EXPECT_LE(confidence.low, confidence.median);
  EXPECT_GE(confidence.high, confidence.median);
  EXPECT_GE(confidence.low, 5.0);
  EXPECT_LE(confidence.high, 5.4);
  EXPECT_EQ(Confidence(gains).low, confidence.low);  // always from the same random numbers
}

}  // namespace
}  // namespace rw
