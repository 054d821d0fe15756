// The one order in which a knob gets its value.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace rw::ropewalk {

// What one source would choose.
struct Candidate {
  Source by;
  KnobValue value;
  Reason reason;
  std::string detail = {};
  std::optional<Knob> cause = std::nullopt;
  const EvidenceRow* row = nullptr;  // it rests on
};

// What a row of evidence would choose.
Candidate Measured(const EvidenceRow& row);

// A value that legality forbids.
struct Ban {
  KnobValue value;
  Reason reason;
  std::string detail = {};
  std::vector<Knob> with = {};  // the requests that it contradicts
};

using Status = tl::expected<void, Refusal>;
using Choice = tl::expected<Decision, Refusal>;

// The first candidate, in the order of sources, whose value no ban forbids. A user's choice that is
// forbidden refuses the plan; any other leaves its trace in Decision::others. The last candidate
// must be allowed. Decision::rows holds the row of the candidate that was taken, for any tokens.
Choice Choose(Knob knob, std::vector<Candidate> candidates, const std::vector<Ban>& bans);

// "pass_config.fuse_rope_kvcache = true: the graph is cut between the ops it would join
// (kv_write)".
Refusal Refuse(Knob knob, const KnobValue& value, Reason reason, const std::string& detail,
               std::vector<Knob> with = {});

}  // namespace rw::ropewalk
