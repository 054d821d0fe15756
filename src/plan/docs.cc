#include "plan/docs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plan/departures.h"
#include "plan/docs_evidence.h"
#include "plan/evidence.h"
#include "plan/names.h"
#include "plan/vllm/rules.h"

namespace rw {
namespace {

constexpr std::string_view kGenerated =
    "<!-- Generated from the tables in src/plan by `make docs`. Edit those, not this. -->\n\n";

std::string_view Short(Knob knob) {
  const std::string_view name = Def(knob).name;
  return name.substr(name.rfind('.') + 1);
}

// A model of 32 layers in which every fusion that exists has its place and its kernel.
Facts FactsOn(std::string_view platform) {
  Facts facts = FactsOf({.platform = platform, .tensor_parallel_size = 1, .qk_norm = true});
  facts.evidence = BuiltinEvidence();
  return facts;
}

std::string ValueAt(std::string_view platform, int level, Policy policy, Knob knob) {
  Options options;
  options.level = level;
  const auto plan = MakePlan(FactsOn(platform), options, policy);
  return plan ? ToString(Def(knob), (*plan)[knob].value) : "-";
}

std::string_view Mark(const std::string& value) {
  return value == "true" ? "on" : value == "false" ? "·" : std::string_view(value);
}

void AppendLevelRows(std::string& text, std::string_view platform, Policy policy) {
  std::vector<Knob> knobs = {Knob::kMode, Knob::kCustomOps, Knob::kCudagraphMode,
                             Knob::kUseInductorGraphPartition};
  for (const FusionDef& fusion : Fusions()) knobs.push_back(fusion.knob);
  text += "| knob | O0 | O1 | O2 | O3 |\n|---|---|---|---|---|\n";
  for (const Knob knob : knobs) {
    if (policy == Policy::kVllm && !Def(knob).in_vllm) continue;
    text += fmt::format("| `{}` |", Short(knob));
    for (int level = 0; level < 4; ++level) {
      const std::string value = ValueAt(platform, level, policy, knob);
      text += fmt::format(" {} |", Mark(value));
    }
    text += "\n";
  }
  text += "\n";
}

std::string LevelsPage() {
  std::string text = std::string(kGenerated) + "# Optimization levels\n\n";
  text +=
      "`-O0` to `-O3`, `-O2` if nothing is said. A level decides only what neither legality, nor "
      "a\n"
      "request, nor a measurement decides; `ropewalk plan MODEL` says which it was. The tables "
      "are\n"
      "what the rules answer for a model in which every fusion has its place and a kernel; · is\n"
      "off. O3 is O2 as long as nothing costs start-up time worth a level of its own.\n\n";
  text += "## Ropewalk on a CPU\n\n";
  AppendLevelRows(text, "cpu:avx2", Policy::kRopewalk);
  text += "## Ropewalk on a GPU that has the kernels\n\n";
  AppendLevelRows(text, "cuda:sm90", Policy::kRopewalk);
  text += "## vLLM on an MI355X with AITER (`--policy vllm --platform rocm:gfx950,aiter`)\n\n";
  AppendLevelRows(text, "rocm:gfx950,aiter", Policy::kVllm);
  text += "## vLLM on an H100 (`--policy vllm --platform cuda:sm90,flashinfer`)\n\n";
  AppendLevelRows(text, "cuda:sm90,flashinfer", Policy::kVllm);
  return text;
}

// Devices with a kernel for the op, by provider, the scalar reference aside.
std::string KernelsFor(std::string_view op) {
  std::vector<std::string> found;
  for (const KernelRow& row : KernelTable()) {
    const std::string name = fmt::format("{} ({})", Name(row.device), row.provider);
    if (row.op == op && row.provider != "reference" &&
        std::ranges::find(found, name) == found.end()) {
      found.push_back(name);
    }
  }
  return found.empty() ? "none" : fmt::format("{}", fmt::join(found, ", "));
}

std::string FusionsPage() {
  std::string text = std::string(kGenerated) + "# Fusions\n\n";
  text +=
      "Each is a pass over the whole graph (`src/passes`) and gives the same bits as the ops it\n"
      "joins, the KV cache included. `-cc.pass_config.NAME=true` asks for one: it is done or the\n"
      "command fails and says why. Level: the first that tries it where nothing was measured.\n\n"
      "| fusion | joins | makes | level | kernels | measured gain | requires |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const FusionDef& fusion : Fusions()) {
    if (fusion.makes.empty()) continue;
    text +=
        fmt::format("| `{}` | {} | {} | O{} | {} | {} | {} |\n", Short(fusion.knob), fusion.joins,
                    fmt::join(fusion.makes, ", "), fusion.level, KernelsFor(fusion.makes[0]),
                    MeasuredCell(QuestionOf(fusion.knob)), fusion.needs);
  }
  text +=
      "\nEvery pass also leaves alone what it must: a value that another op reads, a cache that "
      "is\n"
      "read in between, an order that has no place for the fused op, types without a kernel.\n"
      "`ropewalk plan MODEL --why NAME` lists each place with its reason.\n\n"
      "## Known by name, and not there yet\n\n| fusion | joins | why not |\n|---|---|---|\n";
  for (const FusionDef& fusion : Fusions()) {
    if (!fusion.makes.empty()) continue;
    text += fmt::format("| `{}` | {} | {} |\n", Short(fusion.knob), fusion.joins, fusion.missing);
  }
  return text;
}

std::string CustomOpsPage() {
  std::string text = std::string(kGenerated) + "# Custom ops\n\n";
  text +=
      "A custom op runs as a hand-written kernel, else as native code, which is generated from "
      "what\n"
      "the op does to a row and joined with its neighbours (`ropewalk graph MODEL --pieces` shows "
      "the\n"
      "kernels that come of it). Both give the same bits. `-cc.custom_ops=none`, "
      "`-cc.custom_ops+=-rms_norm` and so on choose;\n"
      "names are vLLM's or ours, and a misspelt one is an error. A fusion that is on brings the "
      "op\n"
      "it makes; an op never switches a fusion on.\n\n"
      "| vLLM's name | ops here | kernels |\n|---|---|---|\n";
  for (const CustomOpDef& op : CustomOps()) {
    const std::string ops =
        op.ops.empty() ? "none yet" : fmt::format("{}", fmt::join(op.ops, ", "));
    text += fmt::format("| `{}` | {} | {} |\n", op.name, ops,
                        op.ops.empty() ? "" : KernelsFor(op.ops[0]));
  }
  text +=
      "\nWhere native code was measured faster it runs unless custom_ops says otherwise, for the\n"
      "numbers of tokens for which it was.\n\n"
      "| op | hand-written against native |\n|---|---|\n";
  for (const CustomOpDef& def : CustomOps()) {
    for (const std::string_view op : def.ops) {
      if (BuiltinEvidence()->For(QuestionOf(op)).empty()) continue;
      text += fmt::format("| `{}` | {} |\n", op, MeasuredCell(QuestionOf(op)));
    }
  }
  text += "\n## Splitting ops\n\n| vLLM's name | op here |\n|---|---|\n";
  for (const SplittingOpDef& op : SplittingOps()) {
    text += fmt::format("| `{}` | {} |\n", op.name, op.op.empty() ? "none yet" : op.op);
  }
  text += "\n## Knobs\n\n| knob | decides |\n|---|---|\n";
  for (const KnobDef& def : Knobs()) {
    text += fmt::format("| `{}`{} | {} |\n", def.name, def.in_vllm ? "" : " (Ropewalk's own)",
                        def.summary);
  }
  return text;
}

std::string DeparturesPage() {
  std::string text = std::string(kGenerated) + "# Where Ropewalk departs from vLLM\n\n";
  text +=
      "For the same flags. Each row is a test: `--policy vllm` gives the first answer and\n"
      "`--policy ropewalk` the second, for a model of 32 layers whose fusions all have kernels.\n"
      "Threads are those of vllm-project/vllm.\n\n"
      "| flags | on | knob | vLLM | Ropewalk | why | thread |\n|---|---|---|---|---|---|---|\n";
  for (const Departure& row : Departures()) {
    std::string flags = fmt::format("-O{}", row.level);
    for (const std::string_view argument : row.config) {
      flags += argument.starts_with("--") ? fmt::format(" {}", argument)
                                          : fmt::format(" -cc.{}", argument);
    }
    if (row.tensor_parallel_size > 1) flags += fmt::format(" -t {}", row.tensor_parallel_size);
    text += fmt::format("| `{}` | {} | `{}` | {} | {} | {} | {} |\n", flags, row.platform,
                        Short(row.knob), row.vllm, row.ropewalk, row.why, row.thread);
  }
  return text;
}

std::string VllmRulesPage() {
  std::string text = std::string(kGenerated) + "# The rule set `vllm`\n\n";
  text +=
      "What vLLM of 2026-08 resolves, as an ordered list of rules. `ropewalk plan --policy vllm`\n"
      "names in its ledger the rule that set each knob.\n\n"
      "| # | rule | mirrors | what it does |\n|---|---|---|---|\n";
  int number = 0;
  for (const vllm::RuleInfo& rule : vllm::Rules()) {
    text +=
        fmt::format("| {} | {} | `{}` | {} |\n", ++number, rule.name, rule.mirrors, rule.summary);
  }
  return text;
}

}  // namespace

std::vector<DocPage> DocPages() {
  return {{"optimization-levels.md", LevelsPage()},
          {"fusions.md", FusionsPage()},
          {"custom-ops.md", CustomOpsPage()},
          {"departures.md", DeparturesPage()},
          {"vllm-rules.md", VllmRulesPage()}};
}

}  // namespace rw
