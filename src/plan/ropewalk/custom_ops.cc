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

// What the user's list says of an op; nothing if it is silent.
std::optional<bool> AskedCode(const CustomOpList& list, std::string_view op) {
  if (!list.Forbids(op) && !list.Asks(op) && !list.base) return std::nullopt;
  return !list.Forbids(op) && (list.Asks(op) || list.base != false);
}

std::vector<Candidate> Candidates(const Draft& draft, const CustomOpList& list, std::string_view op,
                                  const EvidenceRow* row) {
  std::vector<Candidate> candidates;
  if (const auto asked = AskedCode(list, op)) {
    candidates.push_back({Source::kUser, *asked, Reason::kUserAsked, "custom_ops"});
  }
  if (row != nullptr) candidates.push_back(Measured(*row));
  const bool unmeasured = row == nullptr && draft.options.level > 0;
  candidates.push_back({Source::kFallback, true, Reason::kFallback,
                        unmeasured ? fmt::format("no measurement for {}", draft.described) : ""});
  return candidates;
}

bool HasNativeCode(const Draft& draft, std::string_view op) {
  return std::ranges::find(draft.facts.native_ops, op) != draft.facts.native_ops.end();
}

// A fusion that is on brings the op that it makes.
OpDecision Made(const Draft& draft, Knob cause, std::string_view op, const Bounds& tokens) {
  return {.op = std::string(op),
          .tokens = tokens,
          .source = draft[cause].source,
          .reason = Reason::kConsequence,
          .detail = std::string(Def(cause).name),
          .cause = cause};
}

// Adds a decision, to the one before it where that is the same for other numbers of tokens.
void AddOp(Draft& draft, OpDecision decision) {
  OpDecision* before = draft.ops.empty() ? nullptr : &draft.ops.back();
  const bool same = before != nullptr && before->op == decision.op &&
                    before->custom == decision.custom && before->source == decision.source;
  if (!same) return draft.ops.push_back(std::move(decision));
  before->tokens.most = decision.tokens.most;
  before->rows.insert(before->rows.end(), decision.rows.begin(), decision.rows.end());
}

Status DecideOp(Draft& draft, const CustomOpList& list, std::string_view op) {
  const Bounds all = {1, draft.facts.max_num_batched_tokens};
  const auto cause = MakerOf(draft, op);
  std::vector<Ban> bans;
  if (!HasNativeCode(draft, op)) {
    bans.push_back({false, Reason::kNoNativeCode,
                    fmt::format("{} on {}", op, ToString(draft.facts.platform))});
  }
  // What a fusion makes is hand-written, unless native code was measured to be faster and the user
  // asked for neither.
  const bool asked = cause && (draft[*cause].source == Source::kUser || AskedCode(list, op));
  if (cause && (asked || !bans.empty())) {
    AddOp(draft, Made(draft, *cause, op, all));
    return {};
  }
  std::vector<Answer> answers = {{all, nullptr}};
  if (draft.options.level > 0) answers = AnswersTo(QuestionOf(op), draft.facts, all.most);
  for (const Answer& answer : answers) {
    if (cause && answer.row == nullptr) {
      AddOp(draft, Made(draft, *cause, op, answer.tokens));
      continue;
    }
    auto chosen = Choose(kKnob, Candidates(draft, list, op, answer.row), bans);
    if (!chosen) {
      return tl::unexpected(
          Refuse(kKnob, *draft.options.Find(kKnob), bans[0].reason, bans[0].detail));
    }
    for (AppliedRow& row : chosen->rows) row.tokens = answer.tokens;
    AddOp(draft, {.op = std::string(op),
                  .tokens = answer.tokens,
                  .custom = std::get<bool>(chosen->value),
                  .source = chosen->source,
                  .reason = chosen->reason,
                  .detail = std::move(chosen->detail),
                  .rows = std::move(chosen->rows),
                  .others = std::move(chosen->others)});
  }
  return {};
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
                    .detail = "hand-written kernels, but where a measurement says native"};
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
    if (auto done = DecideOp(draft, resolved, op); !done) return done;
  }
  return {};
}

}  // namespace rw::ropewalk
