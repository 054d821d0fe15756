#include "plan/ropewalk/choose.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"

namespace rw::ropewalk {

Refusal Refuse(Knob knob, const KnobValue& value, Reason reason, const std::string& detail,
               std::vector<Knob> with) {
  const KnobDef& def = Def(knob);
  std::string message =
      fmt::format("{}={} cannot be met: {}", def.name, ToString(def, value), Sentence(reason));
  if (!detail.empty()) message += fmt::format(" ({})", detail);
  with.insert(with.begin(), knob);
  return {std::string(Name(reason)), std::move(message), std::move(with)};
}

Candidate Measured(const EvidenceRow& row) {
  std::string detail = Describe(row);
  if (const auto changed = ChangedKernels(row); !changed.empty()) {
    detail += fmt::format("; stale: {} changed since", fmt::join(changed, ", "));
  }
  const bool cited = row.kind == EvidenceKind::kCited;
  return {.by = Source::kMeasured,
          .value = row.choice,
          .reason = cited ? Reason::kCited : Reason::kMeasured,
          .detail = std::move(detail),
          .row = &row};
}

Choice Choose(Knob knob, std::vector<Candidate> candidates, const std::vector<Ban>& bans) {
  std::ranges::stable_sort(candidates, {}, &Candidate::by);
  Decision decision{.knob = knob};
  const Ban* hit = nullptr;
  bool chosen = false;
  for (Candidate& candidate : candidates) {
    const auto ban = std::ranges::find(bans, candidate.value, &Ban::value);
    if (chosen) {
      if (candidate.value != decision.value) {
        decision.others.push_back(
            {candidate.value, candidate.by, candidate.reason, candidate.detail});
      }
    } else if (ban == bans.end()) {
      chosen = true;
      decision.value = candidate.value;
      decision.source = candidate.by;
      decision.reason = candidate.reason;
      decision.detail = std::move(candidate.detail);
      decision.cause = candidate.cause;
      if (candidate.row != nullptr) {
        decision.rows = {{*candidate.row, {}, ChangedKernels(*candidate.row)}};
      }
    } else if (candidate.by == Source::kUser) {
      return tl::unexpected(Refuse(knob, candidate.value, ban->reason, ban->detail, ban->with));
    } else {
      if (hit == nullptr) hit = &*ban;
      std::string detail = ban->detail;
      if (candidate.row != nullptr) detail += "; " + candidate.detail;  // what was measured
      decision.others.push_back({candidate.value, candidate.by, ban->reason, std::move(detail)});
    }
  }
  RW_CHECK(chosen, "{}: every choice is forbidden", Def(knob).name);
  if (hit != nullptr) {  // a better source was overruled: that is the reason
    decision.source = Source::kLegality;
    decision.reason = hit->reason;
    decision.detail = hit->detail;
    decision.cause = std::nullopt;
    decision.rows.clear();
  }
  return decision;
}

}  // namespace rw::ropewalk
