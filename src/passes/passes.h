// The fusions as passes over the whole graph, in the order in which they run.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "passes/matcher.h"
#include "plan/plan.h"

namespace rw {

struct Pass {
  Knob knob;
  std::string_view name;  // the knob's name without "pass_config."
  void (*find)(const Matcher& matcher, Matches& matches);
};

void FindLinearRopeKvcache(const Matcher& m, Matches& matches);
void FindLinearActMul(const Matcher& m, Matches& matches);
void FindLinearAdd(const Matcher& m, Matches& matches);
void FindNormLinear(const Matcher& m, Matches& matches);
void FindMergeQkv(const Matcher& m, Matches& matches);
void FindMergeGateUp(const Matcher& m, Matches& matches);
void FindQkNormRopeKvcache(const Matcher& m, Matches& matches);
void FindRopeKvcache(const Matcher& m, Matches& matches);
void FindQkNormRope(const Matcher& m, Matches& matches);
void FindActMul(const Matcher& m, Matches& matches);
void FindAddRmsNorm(const Matcher& m, Matches& matches);

// Larger fusions come before those they contain.
std::span<const Pass> Pipeline();

// The kernels of this build for `device`, those of `providers` in their order.
KernelFinder KernelsOf(Device device, std::vector<std::string_view> providers);

// What the graph offers to each fusion, each tried alone on the graph as it is.
GraphFacts Survey(const Graph& graph, const KernelFinder& find_kernel);

struct PassReport {
  std::string_view pass;
  std::vector<int> layers;  // one entry for each match
  std::vector<Declined> declined;
};

struct Rewritten {
  Graph graph;
  std::vector<PassReport> reports;  // of the passes that ran
};

struct PassOptions {
  std::vector<Knob> fusions;  // that are on
  // Ops at which the graph was cut before the passes: no pass joins ops on two sides of one.
  std::vector<std::string> cut_before;
  std::string_view stop_after;  // the last pass to run; empty: all
};

// Runs the passes that are on.
Rewritten RunPasses(Graph graph, const PassOptions& options, const KernelFinder& find_kernel);

}  // namespace rw
