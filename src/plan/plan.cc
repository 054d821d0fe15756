#include "plan/plan.h"

#include "base/check.h"
#include "plan/ropewalk/rules.h"
#include "plan/vllm/rules.h"

namespace rw {

std::string_view Name(Source source) {
  constexpr std::string_view kNames[] = {"legality", "user", "measured", "level", "fallback"};
  return kNames[static_cast<size_t>(source)];
}

tl::expected<Plan, Refusal> MakePlan(const Facts& facts, const Options& options, Policy policy) {
  auto plan =
      policy == Policy::kVllm ? vllm::MakePlan(facts, options) : ropewalk::MakePlan(facts, options);
  if (plan) RW_CHECK(plan->decisions.size() == kNumKnobs, "{} decisions", plan->decisions.size());
  return plan;
}

}  // namespace rw
