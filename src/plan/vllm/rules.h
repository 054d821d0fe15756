// The rule set `vllm`: what vLLM of 2026-08 (main 017e9f4448b7) resolves for the same options and
// facts, as an ordered list of named rules over a state that starts as what the user asked for.
#pragma once

#include <string_view>
#include <vector>

#include "plan/plan.h"

namespace rw::vllm {

tl::expected<Plan, Refusal> MakePlan(const Facts& facts, const Options& options);

// The rules in the order in which they run, for the docs.
struct RuleInfo {
  std::string_view name;     // "level-defaults"
  std::string_view mirrors;  // "vllm/config/vllm.py: __post_init__"
  std::string_view summary;
};
std::vector<RuleInfo> Rules();

}  // namespace rw::vllm
