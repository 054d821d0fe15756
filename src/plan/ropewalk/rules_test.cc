// What the rule set `ropewalk` promises for every input, and its decisions one by one.
#include "plan/ropewalk/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "plan/ropewalk/draft.h"
#include "plan/testing.h"

namespace rw::ropewalk {
namespace {

using ::testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__)
constexpr int kDraws = 20'000;
#else
constexpr int kDraws = 250'000;
#endif

std::string Describe(const Facts& facts, const Options& options) {
  std::string text = fmt::format("{} -O{}", ToString(facts.platform), options.level);
  if (options.enforce_eager) text += " --enforce-eager";
  for (const KnobDef& def : Knobs()) {
    if (const KnobValue* value = options.Find(def.knob)) {
      text += fmt::format(" -cc.{}={}", def.name, ToString(def, *value));
    }
  }
  return text;
}

// The resolved value is what was asked for, up to what a consequence adds.
bool Honours(const Decision& decision, const KnobValue& asked) {
  if (decision.value == asked) return true;
  if (decision.knob == Knob::kCustomOps) {  // a fusion asked for may add its op
    const auto& before = std::get<Names>(asked);
    const auto& after = std::get<Names>(decision.value);
    return decision.cause && after.size() > before.size() &&
           std::equal(before.begin(), before.end(), after.begin());
  }
  if (decision.knob == Knob::kCudagraphCaptureSizes ||
      decision.knob == Knob::kCompileRangesEndpoints) {  // sets of numbers
    const auto& before = std::get<Sizes>(asked);
    const auto& after = std::get<Sizes>(decision.value);
    return std::ranges::all_of(
        before, [&](int64_t size) { return std::ranges::find(after, size) != after.end(); });
  }
  return false;
}

void CheckRequests(const Plan& plan, const Options& options) {
  for (const KnobDef& def : Knobs()) {
    const KnobValue* asked = options.Find(def.knob);
    if (asked == nullptr) continue;
    EXPECT_TRUE(Honours(plan[def.knob], *asked)) << def.name;
    EXPECT_EQ(plan[def.knob].source, Source::kUser) << def.name;
  }
}

void CheckReasons(const Plan& plan) {
  for (const Decision& decision : plan.decisions) {
    EXPECT_FALSE(Sentence(decision.reason).empty());
    if (decision.source == Source::kUser && !decision.cause) continue;
    // Off by legality: what would have been is on record.
    if (FindFusion(decision.knob) != nullptr && decision.source == Source::kLegality) {
      EXPECT_FALSE(decision.others.empty()) << Def(decision.knob).name;
    }
    EXPECT_TRUE(decision.reason != Reason::kConsequence || decision.cause);
  }
}

// A cause is on (or was asked for), and causes lead nowhere back.
void CheckCauses(const Plan& plan, const Options& options) {
  for (const Decision& decision : plan.decisions) {
    std::set<Knob> seen = {decision.knob};
    const Decision* at = &decision;
    while (at->cause) {
      EXPECT_TRUE(seen.insert(*at->cause).second) << "cycle at " << Def(decision.knob).name;
      const Decision& cause = plan[*at->cause];
      const bool* on = std::get_if<bool>(&cause.value);
      EXPECT_TRUE(on != nullptr ? *on : options.Asked(cause.knob)) << Def(cause.knob).name;
      at = &cause;
    }
  }
  for (const OpDecision& op : plan.ops) {
    EXPECT_TRUE(!op.cause || plan.On(*op.cause)) << op.op;
  }
}

void CheckFusions(const Plan& plan, const Facts& facts) {
  std::multiset<int> roped;  // layers whose rope is taken
  for (const FusionDef& fusion : Fusions()) {
    const Decision& decision = plan[fusion.knob];
    if (!plan.On(fusion.knob)) {
      EXPECT_TRUE(decision.layers.empty());
      continue;
    }
    EXPECT_FALSE(fusion.makes.empty()) << "no such op, yet on";
    EXPECT_EQ(plan.mode(), Mode::kVllmCompile);
    if (!facts.graph) continue;
    const FusionSites& sites = facts.graph->fusions[static_cast<size_t>(FusionIndex(fusion.knob))];
    EXPECT_FALSE(sites.kernel.empty()) << "on without a kernel";
    EXPECT_TRUE(std::ranges::includes(sites.layers, decision.layers));
    if (decision.layers.empty()) {
      const FusionDef* larger = FindFusion(Knob::kFuseQkNormRopeKvcache);
      EXPECT_TRUE(plan.On(larger->knob) &&
                  std::ranges::find(larger->contains, fusion.knob) != larger->contains.end())
          << fusion.joins << " is on and matches nowhere";
    }
    // The one with the projections stands beside what it includes, for steps of few tokens.
    // So may any that is on for some numbers of tokens only.
    if (std::ranges::find(fusion.parts, "rope") != fusion.parts.end() && decision.tokens.empty() &&
        fusion.knob != Knob::kFuseLinearRopeKvcache) {
      roped.insert(decision.layers.begin(), decision.layers.end());
    }
  }
  for (const int layer : roped) EXPECT_EQ(roped.count(layer), 1u) << "two fusions share a rope";
}

// Whether a decision is another for steps of more tokens than `last`.
bool Changes(const Plan& plan, int64_t last) {
  for (const Decision& decision : plan.decisions) {
    for (const Bounds& tokens : decision.tokens) {
      if (tokens.most == last || tokens.least == last + 1) return true;
    }
  }
  for (size_t i = 1; i < plan.ops.size(); ++i) {
    if (plan.ops[i].op == plan.ops[i - 1].op && plan.ops[i - 1].tokens.most == last) return true;
  }
  return false;
}

void CheckRanges(const Plan& plan, const Facts& facts, const Options& options) {
  int64_t next = 1;
  for (const TokenRange& range : plan.ranges) {
    EXPECT_EQ(range.first, next);
    EXPECT_LE(range.first, range.last);
    next = range.last + 1;
  }
  EXPECT_EQ(next, facts.max_num_batched_tokens + 1);
  // No boundary without something that asks for it.
  const bool threshold =
      options.Asked(Knob::kRopeKvcacheFusionMaxTokenNum) &&
      (plan.On(Knob::kFuseRopeKvcache) || plan.On(Knob::kFuseQkNormRopeKvcache) ||
       plan.On(Knob::kFuseLinearRopeKvcache));
  if (threshold || options.Asked(Knob::kCompileRangesEndpoints) ||
      options.Asked(Knob::kCompileSizes)) {
    return;
  }
  for (size_t i = 1; i < plan.ranges.size(); ++i) {
    EXPECT_TRUE(Changes(plan, plan.ranges[i - 1].last)) << plan.ranges[i - 1].last;
  }
}

// The decisions on an op cover all steps, and a range says which of them are native.
void CheckOps(const Plan& plan, const Facts& facts, const Options& options) {
  const std::vector<std::string>& can = facts.native_ops;
  for (size_t i = 0; i < plan.ops.size(); ++i) {
    const OpDecision& op = plan.ops[i];
    const bool first = i == 0 || plan.ops[i - 1].op != op.op;
    const bool last = i + 1 == plan.ops.size() || plan.ops[i + 1].op != op.op;
    EXPECT_EQ(op.tokens.least, first ? 1 : plan.ops[i - 1].tokens.most + 1) << op.op;
    EXPECT_TRUE(!last || op.tokens.most == facts.max_num_batched_tokens) << op.op;
    EXPECT_TRUE(op.custom || std::ranges::find(can, op.op) != can.end()) << op.op;
    EXPECT_TRUE(op.source != Source::kMeasured || op.cause || !op.rows.empty()) << op.op;
    if (options.Asked(Knob::kCustomOps) && !op.rows.empty()) {
      const CustomOpList list = ReadCustomOps(options);
      EXPECT_TRUE(!list.base && !list.Asks(op.op) && !list.Forbids(op.op)) << op.op;
    }
    for (const TokenRange& range : plan.ranges) {
      if (!op.tokens.Has(range.first)) continue;
      const bool native = std::ranges::find(range.native, op.op) != range.native.end();
      EXPECT_EQ(native, !op.custom) << op.op;
    }
  }
}

void CheckRefusal(const Refusal& refusal, const Facts& facts, const Options& options) {
  EXPECT_FALSE(refusal.message.empty());
  EXPECT_FALSE(refusal.code.empty());
  const bool asked =
      std::ranges::any_of(refusal.knobs, [&](Knob knob) { return options.Asked(knob); });
  EXPECT_TRUE(asked || facts.tensor_parallel_size > 1) << "refused what nobody asked for";
}

TEST(RopewalkRules, HoldForRandomRequests) {
  testing::RandomRequests random(20260817);
  int plans = 0;
  for (int i = 0; i < kDraws; ++i) {
    const Facts facts = random.NextFacts();
    const Options options = random.NextOptions();
    const auto plan = MakePlan(facts, options);
    if (!plan) {
      CheckRefusal(plan.error(), facts, options);
    } else {
      ++plans;
      CheckRequests(*plan, options);
      CheckReasons(*plan);
      CheckCauses(*plan, options);
      CheckFusions(*plan, facts);
      CheckRanges(*plan, facts, options);
      CheckOps(*plan, facts, options);
    }
    if (i % 16 == 0) {
      const auto again = MakePlan(facts, options);
      EXPECT_EQ(plan.has_value(), again.has_value());
      EXPECT_TRUE(!plan || !again || *plan == *again);
      EXPECT_TRUE(plan || again || plan.error().message == again.error().message);
    }
    if (::testing::Test::HasFailure()) {
      FAIL() << "draw " << i << ": " << Describe(facts, options)
             << (plan ? "" : "\nrefused: " + plan.error().message);
    }
  }
  // Both outcomes are common, or the test would say little.
  EXPECT_GT(plans, kDraws / 4);
  EXPECT_GT(kDraws - plans, kDraws / 10);
}

// A graph of four layers with norms of q and k, or without.
Facts Cpu(bool qk_norm = false) {
  Facts facts;
  facts.platform = *ParsePlatform("cpu:avx2");
  facts.max_num_batched_tokens = 512;
  facts.evidence = NoEvidence();
  facts.native_ops = {"rms_norm", "add_rms_norm", "rope", "silu", "silu_mul"};
  GraphFacts graph{.layers = 4,
                   .ops = {"rms_norm", "rope", "kv_write", "silu", "mul", "attention"}};
  for (const FusionDef& fusion : Fusions()) {
    if (fusion.makes.empty()) continue;
    const bool norms = std::ranges::find(fusion.parts, "rope") != fusion.parts.end() &&
                       std::ranges::find(fusion.parts, "rms_norm") != fusion.parts.end();
    if (norms && !qk_norm) continue;
    graph.fusions[static_cast<size_t>(FusionIndex(fusion.knob))] = {
        {0, 1, 2, 3}, {}, std::string(fusion.makes[0]), std::string(fusion.makes[0]) + "/test"};
  }
  facts.graph = std::move(graph);
  return facts;
}

Options Ask(int level, const std::vector<std::string>& entries) {
  Options options;
  options.level = level;
  for (const std::string& entry : entries) {
    const rw::Status applied = ApplyCompilationConfig(entry, options);
    EXPECT_TRUE(applied) << applied.error().message;
  }
  return options;
}

TEST(RopewalkRules, LevelsTurnFusionsOn) {
  // With a kernel for each: those of kFuseLinear* stand beside what they include, for few tokens.
  const std::vector<int> counts = {0, 4, 7, 9};  // of fusions that are on
  for (int level = 0; level < 4; ++level) {
    const auto plan = MakePlan(Cpu(), Ask(level, {}));
    ASSERT_TRUE(plan);
    EXPECT_EQ(
        std::ranges::count_if(Fusions(), [&](const FusionDef& f) { return plan->On(f.knob); }),
        counts[static_cast<size_t>(level)])
        << level;
  }
}

TEST(RopewalkRules, ARequestOutranksTheLevel) {
  const auto plan = MakePlan(Cpu(), Ask(0, {"pass_config.fuse_rope_kvcache=true"}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->mode(), Mode::kVllmCompile);  // as a consequence
  EXPECT_EQ((*plan)[Knob::kMode].cause, Knob::kFuseRopeKvcache);
  EXPECT_TRUE(plan->On(Knob::kFuseRopeKvcache));
  EXPECT_FALSE(plan->On(Knob::kFuseActMul));
}

std::string Refused(const Facts& facts, const Options& options) {
  const auto plan = MakePlan(facts, options);
  return plan ? "planned" : plan.error().message;
}

TEST(RopewalkRules, RefusalsNameBothSides) {
  EXPECT_THAT(Refused(Cpu(), Ask(2, {"fuse_rope_kvcache=true", "custom_ops+=-rotary_embedding"})),
              HasSubstr("custom_ops has -rotary_embedding"));
  EXPECT_THAT(Refused(Cpu(), Ask(2, {"fuse_rope_kvcache=true", "mode=NONE"})),
              HasSubstr("mode=NONE"));
  EXPECT_THAT(Refused(Cpu(), Ask(2, {"fuse_rope_kvcache=true", "splitting_ops=kv_write"})),
              HasSubstr("splitting_ops has kv_write"));
  EXPECT_THAT(Refused(Cpu(), Ask(2, {"fuse_qk_norm_rope_kvcache=true"})),
              HasSubstr("the pattern stands nowhere"));
  EXPECT_THAT(Refused(Cpu(), Ask(2, {"fuse_norm_quant=true"})), HasSubstr("no such op"));
  EXPECT_THAT(Refused(Cpu(), Ask(2, {"cudagraph_mode=FULL"})),
              HasSubstr("a CPU captures no graphs"));
  EXPECT_THAT(Refused(Cpu(), Ask(2, {"mode=STOCK_TORCH_COMPILE"})), HasSubstr("no torch.compile"));
  EXPECT_THAT(Refused(Cpu(), Ask(2, {"compile_ranges_endpoints=[16,9000]"})),
              HasSubstr("max_num_batched_tokens = 512"));
  EXPECT_THAT(
      Refused(Cpu(true), Ask(2, {"fuse_qk_norm_rope_kvcache=false", "fuse_rope_kvcache=true",
                                 "enable_qk_norm_rope_fusion=true"})),
      HasSubstr("fuse_qk_norm_rope_kvcache=true does both"));
}

TEST(RopewalkRules, AKernelForFewTokensMakesARange) {
  Facts facts = Cpu();
  for (const Knob knob : {Knob::kFuseLinearRopeKvcache, Knob::kFuseLinearActMul,
                          Knob::kFuseLinearAdd, Knob::kFuseNormLinear}) {
    facts.graph->fusions[static_cast<size_t>(FusionIndex(knob))].most_tokens = 16;
  }
  const auto plan = MakePlan(facts, Ask(2, {}));
  ASSERT_TRUE(plan);
  using enum Knob;
  EXPECT_EQ(
      plan->ranges,
      (std::vector<TokenRange>{
          {1, 16, {kFuseAddRmsNorm, kFuseLinearRopeKvcache, kFuseLinearActMul}},
          {17, 512, {kFuseRopeKvcache, kFuseAddRmsNorm, kFuseActMul, kMergeQkv, kMergeGateUp}}}));
  EXPECT_EQ((*plan)[kCompileRangesEndpoints].cause, kFuseLinearRopeKvcache);
  // Whoever wants a smaller fusion off does not get it as part of a larger one, and whoever asks
  // for one gets it.
  const auto off = MakePlan(facts, Ask(3, {"fuse_act_mul=false", "fuse_add_rms_norm=true"}));
  ASSERT_TRUE(off);
  EXPECT_EQ((*off)[kFuseLinearActMul].others.at(0).reason, Reason::kPartOff);
  EXPECT_EQ((*off)[kFuseLinearAdd].others.at(0).reason, Reason::kCompetes);
  EXPECT_EQ((*off)[kFuseNormLinear].others.at(0).reason, Reason::kCompetes);
  // In steps of few tokens the sums are gone before add_rms_norm looks for them.
  const auto most = MakePlan(facts, Ask(3, {}));
  ASSERT_TRUE(most);
  EXPECT_THAT(most->ranges[0].fusions,
              ::testing::ElementsAre(kFuseLinearRopeKvcache, kFuseLinearActMul, kFuseLinearAdd,
                                     kFuseNormLinear));
}

TEST(RopewalkRules, TheLargerFusionContainsTheSmaller) {
  const auto plan = MakePlan(Cpu(true), Ask(2, {}));
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->On(Knob::kFuseQkNormRopeKvcache));
  EXPECT_FALSE(plan->On(Knob::kFuseRopeKvcache));
  EXPECT_EQ((*plan)[Knob::kFuseRopeKvcache].reason, Reason::kContainedIn);

  const auto asked = MakePlan(Cpu(true), Ask(2, {"fuse_rope_kvcache=true"}));
  ASSERT_TRUE(asked);
  EXPECT_TRUE(asked->On(Knob::kFuseRopeKvcache));
  EXPECT_THAT((*asked)[Knob::kFuseRopeKvcache].detail, HasSubstr("included in"));

  const auto without = MakePlan(Cpu(true), Ask(2, {"fuse_rope_kvcache=false"}));
  ASSERT_TRUE(without);
  EXPECT_FALSE(without->On(Knob::kFuseQkNormRopeKvcache));
  EXPECT_EQ((*without)[Knob::kFuseQkNormRopeKvcache].reason, Reason::kPartOff);
}

TEST(RopewalkRules, RangesExistWhileTheirCauseDoes) {
  const auto bounded = MakePlan(Cpu(), Ask(2, {"rope_kvcache_fusion_max_token_num=64"}));
  ASSERT_TRUE(bounded);
  ASSERT_EQ(bounded->ranges.size(), 2u);
  EXPECT_EQ(bounded->ranges[0].last, 64);
  EXPECT_NE(bounded->ranges[0].fusions, bounded->ranges[1].fusions);
  EXPECT_EQ((*bounded)[Knob::kCompileRangesEndpoints].cause, Knob::kFuseRopeKvcache);

  const auto off =
      MakePlan(Cpu(), Ask(2, {"rope_kvcache_fusion_max_token_num=64", "fuse_rope_kvcache=false"}));
  ASSERT_TRUE(off);
  EXPECT_EQ(off->ranges.size(), 1u);
}

TEST(RopewalkRules, NoneWithAFusionBringsItsOp) {
  const auto plan = MakePlan(Cpu(), Ask(2, {"custom_ops=none", "fuse_rope_kvcache=true"}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->Get<Names>(Knob::kCustomOps), (Names{"none", "+rotary_embedding"}));
  EXPECT_FALSE(plan->On(Knob::kFuseActMul));  // a default yields to "none"
  for (const OpDecision& op : plan->ops) {
    EXPECT_EQ(op.custom, op.op == "rope_kv_write" || op.op == "rope") << op.op;
  }
}

EvidenceRow Row(std::string question, bool choice, Bounds tokens = {}) {
  return {.question = std::move(question),
          .choice = choice,
          .device = Device::kCpu,
          .tokens = tokens,
          .margin = "+3 %",
          .result = "bench/results/x.json"};
}

Facts Measured(std::vector<EvidenceRow> rows) {
  Facts facts = Cpu();
  facts.evidence = std::make_shared<const EvidenceTable>(std::move(rows));
  return facts;
}

TEST(RopewalkRules, AnOpIsNativeWhereItWasMeasuredFaster) {
  const Facts facts = Measured({Row("custom_ops:rms_norm", true, {1, 256}),
                                Row("custom_ops:rms_norm", false, {257, 100'000})});
  const auto plan = MakePlan(facts, Ask(0, {}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->ranges.size(), 1u);  // O0 follows no measurement
  const auto measured = MakePlan(facts, Ask(2, {}));
  ASSERT_TRUE(measured);
  ASSERT_EQ(measured->ranges.size(), 2u);
  EXPECT_EQ(measured->ranges[0].last, 256);
  EXPECT_THAT(measured->ranges[0].native, ::testing::IsEmpty());
  EXPECT_THAT(measured->ranges[1].native, ::testing::ElementsAre("rms_norm"));
  EXPECT_EQ(measured->ops[1].tokens, (Bounds{257, 512}));
  ASSERT_EQ(measured->ops[1].rows.size(), 1u);
  EXPECT_EQ(measured->ops[1].rows[0].tokens, (Bounds{257, 512}));
  EXPECT_THAT((*measured)[Knob::kCompileRangesEndpoints].detail,
              HasSubstr("256 from the measurement of rms_norm"));
  // A request outranks it, for all numbers of tokens.
  const auto asked = MakePlan(facts, Ask(2, {"custom_ops+=+rms_norm"}));
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->ranges.size(), 1u);
  EXPECT_THAT(asked->ranges[0].native, ::testing::IsEmpty());
}

TEST(RopewalkRules, ARangeBeginsOnlyWhereADecisionChanges) {
  const auto plan = MakePlan(Measured({Row("custom_ops:rms_norm", false, {1, 16}),
                                       Row("custom_ops:rms_norm", false, {17, 512}),
                                       Row("custom_ops:rope", true, {1, 64})}),
                             Ask(2, {}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->ranges.size(), 1u);
  EXPECT_EQ(plan->ops[0].rows.size(), 2u);
}

TEST(RopewalkRules, NativeCodeThatNobodyCanGenerateIsNotTaken) {
  Facts facts = Measured({Row("custom_ops:rms_norm", false)});
  facts.native_ops.clear();
  const auto plan = MakePlan(facts, Ask(2, {}));
  ASSERT_TRUE(plan);
  const OpDecision& op = plan->ops[0];
  EXPECT_TRUE(op.custom);
  EXPECT_EQ(op.source, Source::kLegality);
  EXPECT_EQ(op.reason, Reason::kNoNativeCode);
  ASSERT_EQ(op.others.size(), 1u);
  EXPECT_EQ(op.others[0].by, Source::kMeasured);
  EXPECT_THAT(Refused(facts, Ask(2, {"custom_ops=-rms_norm"})),
              HasSubstr("nothing generates native code for it on this device (rms_norm on cpu"));
}

TEST(RopewalkRules, AFusionIsOnWhereItWasMeasuredFaster) {
  const Facts facts = Measured({Row("pass_config.fuse_act_mul", false, {33, 100'000})});
  const auto plan = MakePlan(facts, Ask(2, {"fuse_linear_act_mul=false"}));
  ASSERT_TRUE(plan);
  const Decision& decision = (*plan)[Knob::kFuseActMul];
  EXPECT_TRUE(plan->On(Knob::kFuseActMul));
  EXPECT_EQ(decision.source, Source::kLevel);  // in the steps in which it is on
  EXPECT_EQ(decision.tokens, (std::vector<Bounds>{{1, 32}}));
  EXPECT_EQ(decision.others.back().by, Source::kMeasured);
  EXPECT_THAT(decision.others.back().detail, HasSubstr("33-512 tokens"));
  ASSERT_EQ(plan->ranges.size(), 2u);
  EXPECT_EQ(plan->ranges[0].last, 32);
  EXPECT_NE(plan->ranges[0].fusions, plan->ranges[1].fusions);
}

TEST(RopewalkRules, TheLedgerSaysWhatWasNotMeasuredCitedOrStale) {
  EvidenceRow cited = Row("pass_config.fuse_act_mul", true);
  cited.kind = EvidenceKind::kCited;
  EvidenceRow stale = Row("pass_config.fuse_add_rms_norm", true);
  stale.sources = {{"rms_norm@simd", "of another day"}, {"rms_norm@abacus", "not in this build"}};
  const auto plan = MakePlan(Measured({cited, stale}), Ask(2, {}));
  ASSERT_TRUE(plan);
  EXPECT_EQ((*plan)[Knob::kFuseActMul].reason, Reason::kCited);
  EXPECT_THAT((*plan)[Knob::kFuseAddRmsNorm].detail, HasSubstr("stale: rms_norm@simd changed"));
  EXPECT_THAT((*plan)[Knob::kFuseAddRmsNorm].rows[0].changed,
              ::testing::ElementsAre("rms_norm@simd"));
  EXPECT_THAT((*plan)[Knob::kMergeQkv].detail, HasSubstr("no measurement for cpu:"));
}

}  // namespace
}  // namespace rw::ropewalk
