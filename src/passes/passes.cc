#include "passes/passes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "passes/rewrite.h"

namespace rw {
namespace {

constexpr std::array kPipeline = {
    Pass{Knob::kFuseLinearRopeKvcache, "fuse_linear_rope_kvcache", FindLinearRopeKvcache},
    Pass{Knob::kFuseLinearActMul, "fuse_linear_act_mul", FindLinearActMul},
    Pass{Knob::kFuseLinearAdd, "fuse_linear_add", FindLinearAdd},
    Pass{Knob::kFuseNormLinear, "fuse_norm_linear", FindNormLinear},
    Pass{Knob::kMergeQkv, "merge_qkv", FindMergeQkv},
    Pass{Knob::kMergeGateUp, "merge_gate_up", FindMergeGateUp},
    Pass{Knob::kFuseQkNormRopeKvcache, "fuse_qk_norm_rope_kvcache", FindQkNormRopeKvcache},
    Pass{Knob::kFuseRopeKvcache, "fuse_rope_kvcache", FindRopeKvcache},
    Pass{Knob::kEnableQkNormRopeFusion, "enable_qk_norm_rope_fusion", FindQkNormRope},
    Pass{Knob::kFuseActMul, "fuse_act_mul", FindActMul},
    Pass{Knob::kFuseAddRmsNorm, "fuse_add_rms_norm", FindAddRmsNorm},
};

// Which side of the cuts each node is on: cut ops count as a side of their own.
std::vector<int> Sides(const Graph& graph, const std::vector<std::string>& cuts) {
  std::vector<int> sides;
  int side = 0;
  for (const Node& node : graph.nodes()) {
    const bool cut = std::ranges::find(cuts, node.op->name) != cuts.end();
    if (cut) ++side;
    sides.push_back(side);
    if (cut) ++side;
  }
  return sides;
}

void KeepToOneSide(const Graph& graph, const std::vector<std::string>& cuts, Matches& matches) {
  if (cuts.empty()) return;
  const std::vector<int> sides = Sides(graph, cuts);
  matches.Filter(Reason::kSplitBetween, [&](const Site& site) -> std::string {
    for (const int node : site.nodes) {
      if (sides[static_cast<size_t>(node)] != sides[static_cast<size_t>(site.nodes[0])]) {
        return fmt::format("cut at {}", fmt::join(cuts, ", "));
      }
    }
    return "";
  });
}

bool HasKernel(const Graph& graph, const Node& node, const KernelFinder& find_kernel) {
  if (node.op->memory == Memory::kView) return true;
  const CallTypes types = TypesOf(graph, node.in, node.out);
  return find_kernel(*node.op, {types.in, types.out, types.kv}, node.attrs) != nullptr;
}

std::vector<int> LayersOf(const std::vector<Site>& sites) {
  std::vector<int> layers;
  for (const Site& site : sites) layers.push_back(site.layer);
  return layers;
}

}  // namespace

std::span<const Pass> Pipeline() { return kPipeline; }

KernelFinder KernelsOf(Device device, std::vector<std::string_view> providers) {
  return [device, providers = std::move(providers)](const OpDef& op, const KernelTypes& types,
                                                    const Attrs& attrs) {
    return FindKernel(op.name, device, types, attrs, providers);
  };
}

GraphFacts Survey(const Graph& graph, const KernelFinder& find_kernel) {
  GraphFacts facts;
  std::set<std::string_view> ops;
  for (const Node& node : graph.nodes()) {
    facts.layers = std::max(facts.layers, node.layer + 1);
    if (ops.insert(node.op->name).second && !HasKernel(graph, node, find_kernel)) {
      facts.without_kernel.emplace_back(node.op->name);
    }
  }
  facts.ops.assign(ops.begin(), ops.end());
  const Matcher matcher(graph, find_kernel);
  for (const Pass& pass : kPipeline) {
    Matches matches(matcher);
    pass.find(matcher, matches);
    FusionSites& sites = facts.fusions[static_cast<size_t>(FusionIndex(pass.knob))];
    sites.layers = LayersOf(matches.sites());
    sites.declined = matches.declined();
    if (!matches.sites().empty()) {
      sites.op = matches.sites()[0].op->name;
      sites.kernel = matches.sites()[0].kernel;
      sites.most_tokens = matches.sites()[0].most_tokens;
    }
  }
  return facts;
}

Rewritten RunPasses(Graph graph, const PassOptions& options, const KernelFinder& find_kernel) {
  Rewritten result{std::move(graph), {}};
  for (const Pass& pass : kPipeline) {
    if (std::ranges::find(options.fusions, pass.knob) != options.fusions.end()) {
      const Matcher matcher(result.graph, find_kernel);
      Matches matches(matcher);
      pass.find(matcher, matches);
      KeepToOneSide(result.graph, options.cut_before, matches);
      result.reports.push_back({pass.name, LayersOf(matches.sites()), matches.declined()});
      if (!matches.sites().empty()) result.graph = Rewrite(result.graph, matches.sites());
      const Status verified = Verify(result.graph);
      RW_CHECK(verified.has_value(), "after {}: {}", pass.name, verified.error().message);
    }
    if (pass.name == options.stop_after) break;
  }
  return result;
}

}  // namespace rw
