// Graph + facts + options -> Plan -> rewritten and cut graphs -> executables, one for each range of
// step sizes that truly differs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "exec/executable.h"
#include "ir/graph.h"
#include "partition/partition.h"
#include "passes/passes.h"
#include "plan/plan.h"

namespace rw {

struct CompileRequest {
  Facts facts;  // facts.graph and facts.native_ops are filled in
  Options options;
  Policy policy = Policy::kRopewalk;
  std::vector<std::string_view> providers;  // of kernels, best first; none: the table's order
  // Symbols' largest sizes beside n, which is facts.max_num_batched_tokens ("r").
  std::map<std::string, int64_t, std::less<>> limits;
};

// The graph as it runs for the step sizes in some of the plan's ranges.
struct Program {
  std::vector<Knob> fusions;        // that are on
  std::vector<std::string> native;  // ops of the graph that run as native code
  Graph graph;
  std::vector<PassReport> reports;
  std::vector<Piece> pieces;
  Executable executable;  // empty until lowered
};

struct Compiled {
  Plan plan;
  Facts facts;  // on which it rests, the graph's included; set by Compile
  std::vector<Program> programs;
  std::vector<int> program_of;  // by index of plan.ranges

  // Index of the program for a step of that many tokens, 1 to the plan's largest.
  size_t IndexFor(int64_t tokens) const;
  const Program& For(int64_t tokens) const { return programs[IndexFor(tokens)]; }
};

// The facts with what the graph offers on their platform.
Facts FactsOf(const Graph& graph, const CompileRequest& request);

// The plan, a refusal as an error.
Result<Plan> PlanFor(const Facts& facts, const CompileRequest& request);

// Passes and partition, nothing lowered; `stop_after` names the last pass to run (empty: all).
Compiled Rewrite(const Graph& graph, Plan plan, const CompileRequest& request,
                 std::string_view stop_after = {});

// Gives each program its executable. An error where a call has no kernel in this build.
Status LowerPrograms(Compiled& compiled, const CompileRequest& request);

// All of it. An error also where the plan's platform has no kernels in this build.
Result<Compiled> Compile(const Graph& graph, const CompileRequest& request);

// Splitting ops of the plan by the names of src/ops, those that Ropewalk has.
std::vector<std::string> SplittingOpsOf(const Plan& plan);

}  // namespace rw
