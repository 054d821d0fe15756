// The plan that a resolved state stands for.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "plan/fusion.h"
#include "plan/vllm/hardware.h"
#include "plan/vllm/steps.h"

namespace rw::vllm {
namespace {

using enum Knob;

Decision DecisionOf(Knob knob, const State& state) {
  const Slot& slot = state.slot(knob);
  RW_CHECK(slot.value.has_value(), "no rule decides {}", Def(knob).name);
  Decision decision;
  decision.knob = knob;
  decision.value = *slot.value;
  decision.source = slot.source;
  decision.reason = slot.reason;
  decision.detail = slot.detail.empty() ? "kept as given: no rule of vLLM changes it" : slot.detail;
  decision.evidence = slot.evidence;
  decision.cause = slot.cause;
  decision.others = slot.others;
  return decision;
}

// Whether the pass of a fusion that is on works on steps of `first`..`last` tokens.
bool Applies(Knob fusion, int64_t first, int64_t last, const State& state) {
  switch (fusion) {
    case kFuseRopeKvcache:
    case kFuseQkNormRopeKvcache:
      return last <= *state.Find<int64_t>(kRopeKvcacheFusionMaxTokenNum);
    case kFuseAllreduceRms: {
      const auto most = AllreduceMaxTokens(state);
      return most && last <= *most;
    }
    case kEnableSp:
      return first >= *state.Find<int64_t>(kSpMinTokenNum);
    default:
      return true;
  }
}

std::vector<TokenRange> RangesOf(const State& state) {
  std::vector<TokenRange> ranges;
  int64_t first = 1;
  for (const int64_t last : *state.Find<Sizes>(kCompileRangesEndpoints)) {
    if (last < first) continue;  // given twice
    TokenRange range{first, last, {}};
    for (const FusionDef& fusion : Fusions()) {
      if (state.Is(Mode::kVllmCompile) && state.On(fusion.knob) &&
          Applies(fusion.knob, first, last, state)) {
        range.fusions.push_back(fusion.knob);
      }
    }
    ranges.push_back(std::move(range));
    first = last + 1;
  }
  return ranges;
}

}  // namespace

void FillUnset(State& state) {
  if (!state.Has(kSpMinTokenNum)) {
    state.Set(kSpMinTokenNum, int64_t{0}, {"unset: sequence parallelism is off"});
  }
  if (!state.Has(kMaxCudagraphCaptureSize)) {
    state.Set(kMaxCudagraphCaptureSize, int64_t{0}, {"unset: nothing is captured"});
  }
  if (!state.Has(kFiAllreduceFusionMaxSizeMb)) {
    const Facts& facts = state.facts();
    const auto mb = FlashInferMaxMb(facts.platform, facts.tensor_parallel_size);
    state.Set(kFiAllreduceFusionMaxSizeMb, mb.value_or(0.0),
              {mb ? "from the table by machine and number of devices"
                  : "unset: FlashInfer has no such kernel for this machine and number of devices"});
  }
}

Plan ToPlan(State state) {
  Plan plan;
  plan.policy = Policy::kVllm;
  plan.level = state.options().level;
  plan.ranges = RangesOf(state);
  for (const KnobDef& def : Knobs()) plan.decisions.push_back(DecisionOf(def.knob, state));
  plan.warnings = std::move(state.warnings);
  return plan;
}

}  // namespace rw::vllm
