// A plan in the making: rules run in a fixed order, each decides its knobs from the facts, the
// options and what was decided before it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "plan/answers.h"
#include "plan/ropewalk/choose.h"

namespace rw::ropewalk {

struct Draft {
  const Facts& facts;
  const Options& options;
  std::array<std::optional<Decision>, kNumKnobs> decisions = {};
  std::vector<OpDecision> ops = {};
  std::vector<TokenRange> ranges = {};
  const std::string described = DescribeCase(facts);  // for the ledger

  void Set(Decision decision) {
    auto& slot = decisions[static_cast<size_t>(decision.knob)];
    RW_CHECK(!slot, "{} is decided twice", Def(decision.knob).name);
    slot = std::move(decision);
  }
  const Decision& operator[](Knob knob) const {
    const auto& decision = decisions[static_cast<size_t>(knob)];
    RW_CHECK(decision.has_value(), "{} is not decided yet", Def(knob).name);
    return *decision;
  }
  bool On(Knob knob) const { return std::get<bool>((*this)[knob].value); }
  bool compiled() const {
    return std::get<int64_t>((*this)[Knob::kMode].value) ==
           static_cast<int64_t>(Mode::kVllmCompile);
  }
  bool captures() const { return facts.platform.device != Device::kCpu; }

  // The user's choice as a candidate, where there is one.
  void AddUser(Knob knob, std::vector<Candidate>& candidates) const {
    if (const KnobValue* value = options.Find(knob)) {
      candidates.push_back({Source::kUser, *value, Reason::kUserAsked});
    }
  }
};

// A fusion's layers that `taken` leaves; a layer may stand several times in both.
std::vector<int> Without(std::vector<int> layers, const std::vector<int>& taken);

// Where the fusion matches the graph, which there must be.
const FusionSites& SitesOf(const Draft& draft, const FusionDef& fusion);

template <class Enum>
KnobValue Choose1(Enum value) {
  return static_cast<int64_t>(value);
}

// The rules, in their order.
Status DecideMode(Draft& draft);
Status DecideSplitting(Draft& draft);
Status DecideCudagraphs(Draft& draft);
Status DecideCaptureSizes(Draft& draft);
Status CheckCustomOps(Draft& draft);
Status DecideFusions(Draft& draft);
Status DecideCustomOps(Draft& draft);
Status DecideRanges(Draft& draft);
Status DecideRest(Draft& draft);

// The custom_ops list the user gave, read: is an op's hand-written kernel asked for or forbidden?
struct CustomOpList {
  std::optional<bool> base;          // all: true, none: false
  std::vector<std::string> on, off;  // names as given
  // Forbidden by "-op", under any of the op's names.
  bool Forbids(std::string_view name) const;
  bool Asks(std::string_view name) const;
};
CustomOpList ReadCustomOps(const Options& options);
CustomOpList ReadCustomOps(const Names& items);

}  // namespace rw::ropewalk
