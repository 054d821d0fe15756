// What the ledger of a plan says: who decided, why, what was overridden, which fusions work where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "plan/vllm/rules.h"

namespace rw::vllm {
namespace {

using enum Knob;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Facts On(const char* platform) {
  Facts facts;
  facts.platform = ParsePlatform(platform).value();
  return facts;
}

Options With(std::initializer_list<const char*> flags) {
  Options options;
  for (const char* flag : flags) EXPECT_TRUE(ApplyCompilationConfig(flag, options)) << flag;
  return options;
}

Plan Planned(const Facts& facts, const Options& options) {
  auto plan = MakePlan(facts, options);
  EXPECT_TRUE(plan) << plan.error().message;
  return *std::move(plan);
}

TEST(Ledger, ARequestThatARuleDropsIsKeptAsOverridden) {
  const Plan plan = Planned(On("rocm:gfx950,aiter"), With({"fuse_rope_kvcache=true"}));
  const Decision& rope = plan[kFuseRopeKvcache];
  EXPECT_EQ(rope.source, Source::kLegality);
  EXPECT_EQ(rope.reason, Reason::kSplitBetween);
  EXPECT_EQ(rope.cause, kSplittingOps);
  EXPECT_THAT(rope.detail, HasSubstr("splitting_ops=[]"));
  EXPECT_EQ(rope.evidence,
            "rule split-default (vllm/config/compilation.py: set_splitting_ops_for_v1)");
  ASSERT_EQ(rope.others.size(), 1u);
  EXPECT_EQ(rope.others[0].value, KnobValue(true));
  EXPECT_EQ(rope.others[0].by, Source::kUser);
}

TEST(Ledger, ALevelDefaultThatARuleDropsIsKeptToo) {
  const Plan plan = Planned(On("rocm:gfx950,aiter"), With({"custom_ops=+rotary_embedding"}));
  const Decision& decision = plan[kFuseQkNormRopeKvcache];
  EXPECT_EQ(decision.source, Source::kLegality);
  ASSERT_EQ(decision.others.size(), 1u);
  EXPECT_EQ(decision.others[0].by, Source::kLevel);
}

TEST(Ledger, OverriddenValuesStandInTheirOrder) {
  Facts facts = On("cuda:sm90");
  facts.pooling = true;
  const Plan plan = Planned(facts, With({"splitting_ops=[]", "cudagraph_mode=FULL"}));
  const Decision& mode = plan[kCudagraphMode];
  EXPECT_EQ(plan.cudagraph_mode(), CudagraphMode::kNone);
  ASSERT_EQ(mode.others.size(), 2u);
  EXPECT_EQ(mode.others[0].value, KnobValue(static_cast<int64_t>(CudagraphMode::kFull)));
  EXPECT_EQ(mode.others[0].by, Source::kUser);
  EXPECT_EQ(mode.others[1].value, KnobValue(static_cast<int64_t>(CudagraphMode::kPiecewise)));
  EXPECT_EQ(mode.others[1].by, Source::kLegality);
}

TEST(Ledger, WhatTheUserGaveStandsUnlessARuleChangesIt) {
  const Plan plan =
      Planned(On("cuda:sm90"),
              With({"cudagraph_mode=FULL", "custom_ops=+rms_norm", "compile_ranges_endpoints=16"}));
  EXPECT_EQ(plan[kCudagraphMode].source, Source::kUser);
  EXPECT_EQ(plan[kCudagraphMode].reason, Reason::kUserAsked);
  EXPECT_THAT(plan[kCudagraphMode].evidence, IsEmpty());
  // Lists that grow keep what was given, and say what was added.
  EXPECT_EQ(plan[kCustomOps].source, Source::kUser);
  EXPECT_THAT(plan[kCustomOps].detail, HasSubstr("none: Inductor"));
  EXPECT_THAT(plan[kCustomOps].others, IsEmpty());
  EXPECT_EQ(plan[kCompileRangesEndpoints].source, Source::kUser);
  EXPECT_EQ(plan[kMode].source, Source::kLevel);
  EXPECT_EQ(plan[kRopeKvcacheFusionMaxTokenNum].source, Source::kFallback);
}

TEST(Ledger, EndpointsThatAreDroppedAreOverridden) {
  const Plan plan = Planned(On("cuda:sm90"), With({"compile_ranges_endpoints=[16, 9000]"}));
  const Decision& endpoints = plan[kCompileRangesEndpoints];
  EXPECT_EQ(endpoints.source, Source::kLegality);
  ASSERT_EQ(endpoints.others.size(), 1u);
  EXPECT_EQ(endpoints.others[0].value, KnobValue(Sizes{16, 9000}));
}

TEST(Ledger, RopewalksOwnKnobsAreOff) {
  const Plan plan = Planned(On("cuda:sm90"), With({"merge_qkv=true"}));
  EXPECT_FALSE(plan.On(kMergeQkv));
  EXPECT_EQ(plan[kMergeQkv].source, Source::kLegality);
  EXPECT_EQ(plan[kMergeQkv].others.size(), 1u);
  EXPECT_EQ(plan[kMergeGateUp].source, Source::kFallback);
}

TEST(Ledger, FusionsOfARange) {
  Facts facts = On("cuda:sm90,flashinfer");
  facts.tensor_parallel_size = 4;
  facts.hidden_size = 8192;
  const Plan plan = Planned(facts, With({"enable_sp=true", "sp_min_token_num=1001"}));
  EXPECT_THAT(plan.ranges,
              ElementsAre(TokenRange{1, 128, {kFuseAllreduceRms}}, TokenRange{129, 1000, {}},
                          TokenRange{1001, 8192, {kEnableSp}}));
}

TEST(Ledger, FusionsThatWriteTheCacheStopAtTheirThreshold) {
  const Plan plan =
      Planned(On("rocm:gfx950,aiter"), With({"splitting_ops=[]", "fuse_rope_kvcache=true"}));
  ASSERT_EQ(plan.ranges.size(), 2u);
  EXPECT_THAT(plan.ranges[0].fusions, testing::Contains(kFuseRopeKvcache));
  EXPECT_THAT(plan.ranges[0].fusions, testing::Contains(kFuseQkNormRopeKvcache));
  EXPECT_THAT(plan.ranges[1].fusions,
              ElementsAre(kFuseNormQuant, kFuseRopeKvcacheCatMla, kFuseMlaDualRmsNorm));
}

TEST(Ledger, NothingIsFusedWhereNothingIsCompiled) {
  Options options = With({"fuse_norm_quant=true"});
  options.level = 0;
  const Plan plan = Planned(On("cuda:sm90"), options);
  EXPECT_TRUE(plan.On(kFuseNormQuant));
  EXPECT_THAT(plan.ranges, ElementsAre(TokenRange{1, 8192, {}}));
}

TEST(Ledger, ARefusalNamesTheRequests) {
  const auto plan = MakePlan(On("rocm:gfx950,aiter"),
                             With({"custom_ops=-rotary_embedding", "fuse_rope_kvcache=true"}));
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().knobs, ElementsAre(kCustomOps, kFuseRopeKvcache));
  EXPECT_THAT(plan.error().message, HasSubstr("pass_config.fuse_rope_kvcache"));
}

// An options file cannot hold such a number, a program can.
TEST(Ledger, EndpointsBelowOneAreRefused) {
  Options options;
  options.Set(kCompileRangesEndpoints, Sizes{0});
  const auto plan = MakePlan(On("cuda:sm90"), options);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, "range-endpoint-not-positive");
}

TEST(Ledger, EveryDecisionSaysWhyAndNamesItsRule) {
  std::set<std::string> rules;
  for (const RuleInfo& rule : Rules()) {
    EXPECT_TRUE(rules.insert(std::string(rule.name)).second) << rule.name;
    EXPECT_FALSE(rule.mirrors.empty() || rule.summary.empty()) << rule.name;
  }
  for (const char* platform : {"cpu:aarch64", "cuda:sm100,flashinfer", "rocm:gfx942,aiter"}) {
    for (int level = 0; level <= 3; ++level) {
      Options options = With({"fuse_gemm_comms=true", "fuse_rope_kvcache=true"});
      options.level = level;
      const Plan plan = Planned(On(platform), options);
      ASSERT_EQ(plan.decisions.size(), static_cast<size_t>(kNumKnobs));
      for (const Decision& decision : plan.decisions) {
        const std::string where =
            std::string(platform) + " " + std::string(Def(decision.knob).name);
        EXPECT_FALSE(decision.detail.empty()) << where;
        const size_t space = decision.evidence.find(" (");
        const bool known = space != std::string::npos && decision.evidence.starts_with("rule ") &&
                           rules.contains(decision.evidence.substr(5, space - 5));
        EXPECT_TRUE(known || decision.source == Source::kUser) << where << decision.evidence;
      }
    }
  }
}

}  // namespace
}  // namespace rw::vllm
