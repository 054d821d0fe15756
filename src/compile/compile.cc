#include "compile/compile.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"
#include "compile/native_ops.h"
#include "lower/lower.h"
#include "ops/native.h"
#include "plan/names.h"

namespace rw {
namespace {

// What the plan promised is what the passes did. Where larger fusions came first, others find what
// these left.
bool Kept(const std::vector<int>& promised, const std::vector<int>& done, bool first) {
  if (first) return done == promised;
  return std::ranges::all_of(done, [&](int layer) {
    return std::ranges::count(done, layer) <= std::ranges::count(promised, layer);
  });
}

bool ComesFirst(const TokenRange& range, Knob knob) {
  return std::ranges::none_of(range.fusions, [&](Knob other) {
    const FusionDef& fusion = *FindFusion(other);
    return TakesFrom(fusion, knob) ||
           std::ranges::find(fusion.competes, knob) != fusion.competes.end();
  });
}

void CheckPromises(const Plan& plan, const TokenRange& range, const Program& program) {
  for (const Pass& pass : Pipeline()) {
    if (std::ranges::find(range.fusions, pass.knob) == range.fusions.end()) continue;
    const auto report = std::ranges::find(program.reports, pass.name, &PassReport::pass);
    const auto& promised = plan[pass.knob].layers;
    RW_CHECK(report != program.reports.end() &&
                 Kept(promised, report->layers, ComesFirst(range, pass.knob)),
             "{} matched {} times, the plan says {}", pass.name,
             report == program.reports.end() ? 0 : report->layers.size(), promised.size());
  }
}

// Those of the names that are ops of the graph.
std::vector<std::string> OpsIn(const Graph& graph, const std::vector<std::string>& names) {
  std::vector<std::string> ops;
  std::ranges::copy_if(names, std::back_inserter(ops), [&](const std::string& name) {
    return std::ranges::any_of(graph.nodes(),
                               [&](const Node& node) { return node.op->name == name; });
  });
  return ops;
}

// Marks what runs as native code: the ops named, and, where there are any, those between them for
// which a plan has no question (add, kv_write).
Graph MarkNative(Graph graph, const std::vector<std::string>& native) {
  if (native.empty()) return graph;
  auto marked = ops::MakeNative(std::move(graph), [&](const Node& node) {
    return std::ranges::find(native, node.op->name) != native.end() ||
           (!node.op->meanings.empty() && FindCustomOp(node.op->name) == nullptr);
  });
  RW_CHECK(marked.has_value(), "{}", marked.error().message);
  return *std::move(marked);
}

KernelFinder Kernels(const CompileRequest& request) {
  return KernelsOf(request.facts.platform.device, request.providers);
}

// The graph with the fusions of a range.
Program Fuse(const Graph& graph, const Plan& plan, const TokenRange& range,
             const CompileRequest& request, std::string_view stop_after) {
  const bool cut_first = !plan.On(Knob::kUseInductorGraphPartition);
  Rewritten rewritten =
      RunPasses(graph,
                {.fusions = range.fusions,
                 .cut_before = cut_first ? SplittingOpsOf(plan) : std::vector<std::string>{},
                 .stop_after = stop_after},
                Kernels(request));
  Program program{.fusions = range.fusions,
                  .graph = std::move(rewritten.graph),
                  .reports = std::move(rewritten.reports)};
  if (plan.policy == Policy::kRopewalk && stop_after.empty()) CheckPromises(plan, range, program);
  return program;
}

}  // namespace

size_t Compiled::IndexFor(int64_t tokens) const {
  const auto range = std::ranges::find_if(
      plan.ranges, [&](const TokenRange& r) { return r.first <= tokens && tokens <= r.last; });
  RW_CHECK(range != plan.ranges.end(), "no program for a step of {} tokens", tokens);
  return static_cast<size_t>(program_of[static_cast<size_t>(range - plan.ranges.begin())]);
}

std::vector<std::string> SplittingOpsOf(const Plan& plan) {
  std::vector<std::string> ops;
  for (const std::string& name : plan.Get<Names>(Knob::kSplittingOps)) {
    const SplittingOpDef* def = FindSplittingOp(name);
    if (def != nullptr && !def->op.empty()) ops.emplace_back(def->op);
  }
  return ops;
}

Facts FactsOf(const Graph& graph, const CompileRequest& request) {
  Facts facts = request.facts;
  facts.graph = Survey(graph, Kernels(request));
  facts.native_ops = NativeOps(facts.platform.device);
  return facts;
}

Result<Plan> PlanFor(const Facts& facts, const CompileRequest& request) {
  auto plan = MakePlan(facts, request.options, request.policy);
  if (!plan) return Err("{}", plan.error().message);
  return *std::move(plan);
}

Compiled Rewrite(const Graph& graph, Plan plan, const CompileRequest& request,
                 std::string_view stop_after) {
  Compiled compiled{.plan = std::move(plan)};
  const std::vector<std::string> cuts = SplittingOpsOf(compiled.plan);
  std::vector<Program> fused;  // for each list of fusions
  std::vector<Program>& programs = compiled.programs;
  for (const TokenRange& range : compiled.plan.ranges) {
    auto base = std::ranges::find(fused, range.fusions, &Program::fusions);
    if (base == fused.end()) {
      fused.push_back(Fuse(graph, compiled.plan, range, request, stop_after));
      base = fused.end() - 1;
    }
    const std::vector<std::string> native = OpsIn(base->graph, range.native);
    const auto equal = std::ranges::find_if(programs, [&](const Program& other) {
      return other.fusions == range.fusions && other.native == native;
    });
    compiled.program_of.push_back(static_cast<int>(equal - programs.begin()));
    if (equal != programs.end()) continue;
    Program program = *base;
    program.native = native;
    if (stop_after.empty()) program.graph = MarkNative(std::move(program.graph), native);
    program.pieces = Partition(program.graph, cuts);
    programs.push_back(std::move(program));
  }
  return compiled;
}

Status LowerPrograms(Compiled& compiled, const CompileRequest& request) {
  LowerOptions options{.device = request.facts.platform.device,
                       .providers = request.providers,
                       .limits = request.limits};
  options.limits["n"] = request.facts.max_num_batched_tokens;
  for (Program& program : compiled.programs) {
    options.pieces = program.pieces;
    RW_ASSIGN(program.executable, Lower(program.graph, options));
  }
  return {};
}

Result<Compiled> Compile(const Graph& graph, const CompileRequest& request) {
  Facts facts = FactsOf(graph, request);
  RW_ASSIGN(Plan plan, PlanFor(facts, request));
  Compiled compiled = Rewrite(graph, std::move(plan), request);
  compiled.facts = std::move(facts);
  RW_TRY(LowerPrograms(compiled, request));
  return compiled;
}

}  // namespace rw
