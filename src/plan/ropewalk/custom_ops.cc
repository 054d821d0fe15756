// Hand-written or native code for each op.
#include <fmt/format.h>

#include <algorithm>

#include "plan/names.h"
#include "plan/ropewalk/draft.h"

namespace rw::ropewalk {
namespace {

constexpr Knob kKnob = Knob::kCustomOps;

// Two names of one op.
bool SameOp(std::string_view a, std::string_view b) {
  const CustomOpDef* first = FindCustomOp(a);
  return a == b || (first != nullptr && first == FindCustomOp(b));
}

bool Has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::any_of(names, [&](const std::string& n) { return SameOp(n, name); });
}

Status Contradiction(std::string_view code, std::string message) {
  return tl::unexpected(Refusal{std::string(code), std::move(message), {kKnob}});
}

// The op that a fusion makes in this graph; empty if it makes none.
std::string_view MadeBy(const Draft& draft, Knob fusion) {
  if (!draft.On(fusion) || draft[fusion].layers.empty()) return "";
  return draft.facts.graph->fusions[static_cast<size_t>(FusionIndex(fusion))].op;
}

// The fusion that makes this op, if one does.
std::optional<Knob> MakerOf(const Draft& draft, std::string_view op) {
  for (const FusionDef& fusion : Fusions()) {
    if (MadeBy(draft, fusion.knob) == op) return fusion.knob;
  }
  return std::nullopt;
}

OpDecision DecideOp(const Draft& draft, const CustomOpList& list, std::string_view op) {
  OpDecision decision{.op = std::string(op)};
  if (const auto cause = MakerOf(draft, op)) {
    decision.source = draft[*cause].source;
    decision.reason = Reason::kConsequence;
    decision.detail = std::string(Def(*cause).name);
    decision.cause = cause;
    return decision;
  }
  if (list.Forbids(op) || list.Asks(op) || list.base) {
    decision.custom = !list.Forbids(op) && (list.Asks(op) || list.base != false);
    decision.source = Source::kUser;
    decision.reason = Reason::kUserAsked;
    decision.detail = "custom_ops";
    return decision;
  }
  decision.detail = "no code generator in this build";
  return decision;
}

// Ops of the graph and those the fusions make, that may be either.
std::vector<std::string_view> OpsToDecide(const Draft& draft) {
  std::vector<std::string_view> ops;
  for (const std::string& op : draft.facts.graph->ops) {
    if (FindCustomOp(op) != nullptr) ops.push_back(op);
  }
  for (const FusionDef& fusion : Fusions()) {
    const std::string_view op = MadeBy(draft, fusion.knob);
    if (FindCustomOp(op) != nullptr && std::ranges::find(ops, op) == ops.end()) ops.push_back(op);
  }
  return ops;
}

}  // namespace

bool CustomOpList::Forbids(std::string_view name) const { return Has(off, name); }
bool CustomOpList::Asks(std::string_view name) const { return Has(on, name); }

CustomOpList ReadCustomOps(const Names& items) {
  CustomOpList list;
  for (const std::string& item : items) {
    if (item == "all" || item == "none") list.base = item == "all";
    if (item.starts_with('+')) list.on.push_back(item.substr(1));
    if (item.starts_with('-')) list.off.push_back(item.substr(1));
  }
  return list;
}

CustomOpList ReadCustomOps(const Options& options) {
  const Names* items = options.Get<Names>(kKnob);
  return items == nullptr ? CustomOpList{} : ReadCustomOps(*items);
}

Status CheckCustomOps(Draft& draft) {
  const Names* items = draft.options.Get<Names>(kKnob);
  if (items == nullptr) return {};
  int bases = 0;
  for (const std::string& item : *items) {
    if (item == "all" || item == "none") {
      ++bases;
      continue;
    }
    if (item.size() < 2 || (item[0] != '+' && item[0] != '-')) {
      return Contradiction(
          "custom-op-syntax",
          fmt::format("custom_ops: expected all, none, +op or -op, found '{}'", item));
    }
    if (FindCustomOp(item.substr(1)) == nullptr) {
      return Contradiction("custom-op-unknown", fmt::format("custom_ops: unknown op in {}", item));
    }
  }
  if (bases > 1) {
    return Contradiction("custom-op-two-bases", "custom_ops: expected all or none once at most");
  }
  const CustomOpList list = ReadCustomOps(draft.options);
  for (const std::string& name : list.on) {
    if (list.Forbids(name)) {
      return Contradiction("custom-op-contradiction",
                           fmt::format("custom_ops: both +{} and its opposite are there", name));
    }
  }
  return {};
}

Status DecideCustomOps(Draft& draft) {
  const CustomOpList list = ReadCustomOps(draft.options);
  Decision decision{.knob = kKnob,
                    .value = Names{"all"},
                    .source = Source::kFallback,
                    .reason = Reason::kFallback,
                    .detail = "hand-written kernels, as nothing generates native code yet"};
  if (const Names* asked = draft.options.Get<Names>(kKnob)) {
    Names names = *asked;
    decision.source = Source::kUser;
    decision.reason = Reason::kUserAsked;
    decision.detail.clear();
    // Under "none", a fusion that was asked for brings its op along.
    for (const FusionDef& fusion : Fusions()) {
      if (fusion.custom_op.empty() || !draft.On(fusion.knob) || list.base != false) continue;
      if (list.Asks(fusion.custom_op)) continue;
      const std::string item = fmt::format("+{}", fusion.custom_op);
      if (std::ranges::find(names, item) != names.end()) continue;
      names.push_back(item);
      decision.detail += fmt::format("{}{} needed by {}", decision.detail.empty() ? "" : "; ", item,
                                     Def(fusion.knob).name);
      if (!decision.cause) decision.cause = fusion.knob;
    }
    decision.value = std::move(names);
  }
  const bool asked = decision.source == Source::kUser;
  const CustomOpList resolved = asked ? ReadCustomOps(std::get<Names>(decision.value)) : list;
  draft.Set(std::move(decision));
  if (!draft.facts.graph) return {};
  for (const std::string_view op : OpsToDecide(draft)) {
    draft.ops.push_back(DecideOp(draft, resolved, op));
  }
  return {};
}

}  // namespace rw::ropewalk
