// The rule set `ropewalk`: legality > user > measured > level > fallback. What the user asks for is
// honoured or refused; a default that cannot be is off, with the reason; a consequence exists only
// while its cause does.
#pragma once

#include "plan/plan.h"

namespace rw::ropewalk {

tl::expected<Plan, Refusal> MakePlan(const Facts& facts, const Options& options);

}  // namespace rw::ropewalk
