#include "plan/explain.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plan/departures.h"

namespace rw {
namespace {

std::string Because(Source source, Reason reason, const std::string& detail) {
  const bool level =
      detail.size() >= 2 && detail[0] == 'O' && (detail.size() == 2 || detail[2] == ';');
  if (reason == Reason::kLevelDefault && level) return fmt::format("level {}", detail);
  if (reason == Reason::kOffAtLevel && level) {
    return fmt::format("level {} does not try it{}", detail.substr(0, 2), detail.substr(2));
  }
  if (reason == Reason::kCited) return fmt::format("{} ({})", Sentence(reason), detail);
  std::string text = fmt::format("{}: {}", Name(source), Sentence(reason));
  if (!detail.empty()) text += fmt::format(" ({})", detail);
  return text;
}

std::string Listed(const std::vector<Bounds>& tokens) {
  std::string text;
  for (const Bounds& bounds : tokens) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", ToString(bounds));
  }
  return text;
}

// Everything that a row says of itself.
std::string RowText(const AppliedRow& applied) {
  const EvidenceRow& row = applied.row;
  const bool cited = row.kind == EvidenceKind::kCited;
  std::string text = fmt::format("{} tokens: {}, {} [{}]", ToString(applied.tokens),
                                 cited ? "cited, not measured here" : "measured", Describe(row),
                                 cited ? row.source : row.result);
  if (!row.date.empty()) text += fmt::format(" on {}", row.date);
  if (!applied.changed.empty()) {
    text += fmt::format("; stale: {} changed since", fmt::join(applied.changed, ", "));
  }
  return fmt::format("{}; {}", text, row.users ? "your rule, " + row.file : "built in");
}

void AppendRows(std::string& text, std::string_view indent, const std::vector<AppliedRow>& rows) {
  for (const AppliedRow& row : rows) text += fmt::format("{}{}\n", indent, RowText(row));
}

std::string Code(bool custom) { return custom ? "hand-written" : "native"; }

void AppendOp(std::string& text, const OpDecision& op, bool one_of_several) {
  const std::string when =
      one_of_several ? fmt::format(" in steps of {} tokens", ToString(op.tokens)) : "";
  text += fmt::format("  {:<34} {}{}; {}\n", op.op, Code(op.custom), when,
                      Because(op.source, op.reason, op.detail));
  AppendRows(text, "    rests on ", op.rows);
  for (const Rejected& other : op.others) {
    if (other.by != Source::kMeasured) continue;
    text += fmt::format("    rejected {}: {}\n", Code(std::get<bool>(other.value)),
                        Because(other.by, other.reason, other.detail));
  }
}

// "matched 32 of 32 layers", or how often where that is another number.
std::string Matched(const Decision& decision, const Facts& facts) {
  if (!facts.graph || !std::get<bool>(decision.value)) return "";
  const size_t count = decision.layers.size();
  if (count == 0) return ", matched nowhere by itself";
  std::vector<int> layers = decision.layers;
  std::ranges::sort(layers);
  const auto distinct = std::unique(layers.begin(), layers.end()) - layers.begin();
  std::string text = static_cast<size_t>(distinct) == count
                         ? fmt::format(", matched {} of {} layers", count, facts.graph->layers)
                         : fmt::format(", matched {} times in {} of {} layers", count, distinct,
                                       facts.graph->layers);
  if (!decision.kernel.empty()) text += fmt::format(", kernel {}", decision.kernel);
  if (!decision.tokens.empty())
    text += fmt::format(", steps of {} tokens", Listed(decision.tokens));
  return text;
}

std::string ShownValue(const Decision& decision) {
  if (FindFusion(decision.knob) != nullptr) return std::get<bool>(decision.value) ? "on" : "off";
  return ToString(Def(decision.knob), decision.value);
}

// Long lists in short: their beginning, number and end.
std::string Shortened(const std::string& text) {
  constexpr size_t kLongest = 60;
  if (text.size() <= kLongest) return text;
  const size_t begin = text.rfind(',', 28);
  const size_t end = text.find(',', text.size() - 20);
  if (begin == std::string::npos || end == std::string::npos) return text;
  return fmt::format("{}, ... {} in all ...{}", text.substr(0, begin),
                     std::ranges::count(text, ',') + 1, text.substr(end));
}

// Whether it found places in the graph and no kernel for any of them.
bool HasNoKernel(const Facts& facts, Knob knob) {
  if (!facts.graph) return false;
  const FusionSites& sites = facts.graph->fusions[static_cast<size_t>(FusionIndex(knob))];
  return sites.layers.empty() && !sites.declined.empty() &&
         std::ranges::all_of(sites.declined, [](const Declined& declined) {
           return declined.reason == Reason::kNoKernelForTypes;
         });
}

std::string_view ShortName(Knob knob) {
  const std::string_view name = Def(knob).name;
  return name.substr(name.rfind('.') + 1);
}

void AppendKnob(std::string& text, const Plan& plan, const Facts& facts, Knob knob) {
  text += fmt::format("  {:<34} {}\n", ShortName(knob), Explain(plan, facts, knob));
}

std::string RangeText(const TokenRange& range) {
  return range.first == range.last ? fmt::format("{}", range.first)
                                   : fmt::format("{}-{}", range.first, range.last);
}

std::string FusionNames(const std::vector<Knob>& knobs) {
  std::string text;
  for (const Knob knob : knobs)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", ShortName(knob));
  return text.empty() ? "nothing fused" : text;
}

// What runs how in a range.
std::string InRange(const TokenRange& range) {
  std::string text = FusionNames(range.fusions);
  if (!range.native.empty()) text += fmt::format("; native: {}", fmt::join(range.native, ", "));
  return text;
}

// "hand-written", "1-256: hand-written, 257-8192: native"; empty if the plan has no such op.
std::string CodeOf(const Plan& plan, std::string_view op) {
  std::string text;
  const auto count = std::ranges::count(plan.ops, op, &OpDecision::op);
  for (const OpDecision& decision : plan.ops) {
    if (decision.op != op) continue;
    if (!text.empty()) text += ", ";
    if (count > 1) text += fmt::format("{}: ", ToString(decision.tokens));
    text += Code(decision.custom);
  }
  return text;
}

}  // namespace

std::string Explain(const Plan& plan, const Facts& facts, Knob knob) {
  const Decision& decision = plan[knob];
  std::string text = Shortened(ShownValue(decision));
  if (FindFusion(knob) != nullptr && plan.policy == Policy::kRopewalk)
    text += Matched(decision, facts);
  return fmt::format("{}; {}", text, Because(decision.source, decision.reason, decision.detail));
}

std::string Why(const Plan& plan, const Facts& facts, Knob knob) {
  const KnobDef& def = Def(knob);
  const Decision& decision = plan[knob];
  std::string text = fmt::format("{}: {}\n", def.name, def.summary);
  text += fmt::format("  value     {}{}\n", ShownValue(decision),
                      FindFusion(knob) != nullptr && plan.policy == Policy::kRopewalk
                          ? Matched(decision, facts)
                          : "");
  text +=
      fmt::format("  set by    {}\n", Because(decision.source, decision.reason, decision.detail));
  if (!decision.evidence.empty()) text += fmt::format("  evidence  {}\n", decision.evidence);
  AppendRows(text, "  evidence  ", decision.rows);
  if (decision.cause) text += fmt::format("  follows   {}\n", Def(*decision.cause).name);
  for (const Decision& other : plan.decisions) {
    if (other.cause == knob)
      text += fmt::format("  leads to  {} = {}\n", Def(other.knob).name, ShownValue(other));
  }
  for (const OpDecision& op : plan.ops) {
    if (op.cause == knob) text += fmt::format("  leads to  {} as a hand-written kernel\n", op.op);
  }
  for (const Rejected& other : decision.others) {
    text += fmt::format("  rejected  {} ({})\n", ToString(def, other.value),
                        Because(other.by, other.reason, other.detail));
  }
  if (const FusionDef* fusion = FindFusion(knob);
      fusion != nullptr && facts.graph && !fusion->makes.empty()) {
    for (const Declined& declined :
         facts.graph->fusions[static_cast<size_t>(FusionIndex(knob))].declined) {
      text += fmt::format("  left      layer {}: {}{}\n", declined.layer, Sentence(declined.reason),
                          declined.detail.empty() ? "" : fmt::format(" ({})", declined.detail));
    }
  }
  for (const Departure& row : Departures()) {
    if (row.knob != knob) continue;
    text += fmt::format("  in vLLM   {} [{}]\n", row.why, row.thread);
  }
  return text;
}

std::string PrintPlan(const Plan& plan, const Facts& facts) {
  std::string text =
      fmt::format("{} plan for {}, O{}, {} activations, steps of up to {} tokens\n",
                  plan.policy == Policy::kVllm ? "vLLM's" : "Ropewalk's", ToString(facts.platform),
                  plan.level, Name(facts.dtype), facts.max_num_batched_tokens);
  text += "\nsettings\n";
  for (const KnobDef& def : Knobs()) {
    if (FindFusion(def.knob) == nullptr) AppendKnob(text, plan, facts, def.knob);
  }
  text += "\nfusions\n";
  for (const FusionDef& fusion : Fusions()) AppendKnob(text, plan, facts, fusion.knob);
  if (!plan.ops.empty()) text += "\nops with a choice of code\n";
  for (const OpDecision& op : plan.ops) {
    AppendOp(text, op, op.tokens != Bounds{1, facts.max_num_batched_tokens});
  }
  text += "\nranges of tokens\n";
  for (const TokenRange& range : plan.ranges) {
    text += fmt::format("  {:<34} {}\n", RangeText(range), InRange(range));
  }
  if (facts.graph && !facts.graph->without_kernel.empty()) {
    text += fmt::format("\nthis build cannot run it there: no kernel for {}\n",
                        fmt::join(facts.graph->without_kernel, ", "));
  }
  if (!plan.warnings.empty()) text += "\nwarnings\n";
  for (const Warning& warning : plan.warnings) {
    text += fmt::format("  {}: {}\n", warning.code, warning.message);
  }
  return text;
}

std::string PrintDiff(const Plan& a, const Plan& b, const Facts& facts_a, const Facts& facts_b) {
  std::string text;
  for (const KnobDef& def : Knobs()) {
    if (a[def.knob].value == b[def.knob].value) continue;
    text += fmt::format("{}\n  - {}\n  + {}\n", def.name, Explain(a, facts_a, def.knob),
                        Explain(b, facts_b, def.knob));
  }
  const auto ranges = [](const Plan& plan) {
    std::string line;
    for (const TokenRange& range : plan.ranges) {
      line += fmt::format("{}{}: {}", line.empty() ? "" : "; ", RangeText(range), InRange(range));
    }
    return line;
  };
  if (ranges(a) != ranges(b)) text += fmt::format("ranges\n  - {}\n  + {}\n", ranges(a), ranges(b));
  for (const OpDecision& op : a.ops) {
    const std::string code = CodeOf(a, op.op), other = CodeOf(b, op.op);
    if (op.tokens.least > 1 || other.empty() || code == other) continue;
    text += fmt::format("{}\n  - {}\n  + {}\n", op.op, code, other);
  }
  const auto warnings = [](const Plan& plan) {
    std::vector<std::string> codes;
    for (const Warning& warning : plan.warnings) codes.push_back(warning.code);
    return fmt::format("{}", fmt::join(codes, ", "));
  };
  if (warnings(a) != warnings(b)) {
    text += fmt::format("warnings\n  - {}\n  + {}\n", warnings(a), warnings(b));
  }
  return text;
}

std::string Summary(const Plan& plan, const Facts& facts) {
  std::string on;
  std::string off;
  for (const FusionDef& fusion : Fusions()) {
    const Decision& decision = plan[fusion.knob];
    if (fusion.makes.empty() || HasNoKernel(facts, fusion.knob)) continue;  // could not have been
    if (plan.On(fusion.knob)) {
      on += fmt::format("{}{} x{}", on.empty() ? "" : ", ", ShortName(fusion.knob),
                        decision.layers.size());
    } else {
      off += fmt::format("{}{} ({})", off.empty() ? "" : ", ", ShortName(fusion.knob),
                         Name(decision.reason));
    }
  }
  return fmt::format("O{} on {}: {}\noff: {}; `ropewalk plan` says why", plan.level,
                     ToString(facts.platform), on.empty() ? "nothing fused" : on,
                     off.empty() ? "nothing" : off);
}

}  // namespace rw
