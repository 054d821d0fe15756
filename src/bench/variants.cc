#include "bench/variants.h"

#include <algorithm>
#include <utility>

#include "kernels/source_hash.h"
#include "lower/lower.h"
#include "ops/native.h"
#include "ops/ops.h"

namespace rw::bench {
namespace {

bool StandsForOthers(const Graph& graph) {
  return std::ranges::any_of(graph.nodes(),
                             [](const Node& node) { return !node.op->native.empty(); });
}

}  // namespace

Result<std::vector<Variant>> VariantsOf(const OpDef& op, const ops::CallShape& shape) {
  RW_ASSIGN(Graph graph, ops::CallGraph(op, shape));
  std::vector<Variant> variants;
  for (int expansions = 0; StandsForOthers(graph); ++expansions) {
    RW_ASSIGN(Graph next, ops::ExpandNative(graph, [](const Node&) { return true; }));
    variants.push_back(
        {expansions == 0 ? std::string(kFused) : fmt::format("expanded{}", expansions),
         std::exchange(graph, std::move(next))});
  }
  variants.push_back({std::string(kCustom), graph});
  if (ops::HasMeaning(op)) {
    RW_ASSIGN(graph, ops::MakeNative(std::move(graph), [](const Node&) { return true; }));
    variants.push_back({std::string(kNative), std::move(graph)});
  }
  return variants;
}

bool HasVariants(const OpDef& op) {
  return op.memory != Memory::kView && (!op.native.empty() || ops::HasMeaning(op));
}

Result<Executable> LowerVariant(const Variant& variant, const ops::CallShape& shape,
                                Device device) {
  LowerOptions options{.device = device};
  options.limits = ops::SymbolsOf(shape);
  RW_ASSIGN(Executable executable, Lower(variant.graph, options));
  for (const Step& step : executable.steps) {
    const int64_t most = step.kernel->most_tokens;
    if (most > 0 && shape.tokens > most) {
      return Err("{} is made for {} tokens at most", step.kernel->op, most);
    }
  }
  return executable;
}

std::vector<std::string> KernelsOf(const std::vector<Step>& steps) {
  std::vector<std::string> kernels;
  for (const Step& step : steps) {
    kernels.push_back(KernelKey(*step.kernel));
  }
  return kernels;
}

std::string SourcesOf(const std::vector<Step>& steps) { return SourceHashes(KernelsOf(steps)); }

}  // namespace rw::bench
