#include "plan/ropewalk/rules.h"

#include "plan/ropewalk/draft.h"

namespace rw::ropewalk {
namespace {

// Each rule reads only what rules before it decided.
constexpr Status (*kRules[])(Draft&) = {DecideMode,         DecideSplitting, DecideCudagraphs,
                                        DecideCaptureSizes, CheckCustomOps,  DecideFusions,
                                        DecideCustomOps,    DecideRanges,    DecideRest};

// Facts under which nothing can be planned.
Status CheckFacts(const Facts& facts) {
  if (facts.tensor_parallel_size > 1 || facts.pipeline_parallel_size > 1) {
    return tl::unexpected(
        Refusal{std::string(Name(Reason::kOneDevice)),
                "tensor_parallel_size and pipeline_parallel_size must be 1: Ropewalk runs on one "
                "device (--policy vllm answers for several)",
                {}});
  }
  if (facts.max_num_batched_tokens < 1 || facts.max_num_seqs < 1) {
    return tl::unexpected(Refusal{std::string(Name(Reason::kOutOfRange)),
                                  "max_num_batched_tokens and max_num_seqs must be at least 1",
                                  {}});
  }
  return {};
}

}  // namespace

tl::expected<Plan, Refusal> MakePlan(const Facts& facts, const Options& options) {
  if (auto ok = CheckFacts(facts); !ok) return tl::unexpected(ok.error());
  Draft draft{facts, options};
  for (const auto rule : kRules) {
    if (auto done = rule(draft); !done) return tl::unexpected(done.error());
  }
  Plan plan{.policy = Policy::kRopewalk, .level = options.level};
  for (const KnobDef& def : Knobs()) plan.decisions.push_back(draft[def.knob]);
  plan.ops = std::move(draft.ops);
  plan.ranges = std::move(draft.ranges);
  return plan;
}

}  // namespace rw::ropewalk
