#include "bench/variants.h"

#include <algorithm>
#include <utility>

#include "lower/lower.h"
#include "ops/native.h"
#include "ops/ops.h"

namespace rw::bench {
namespace {

// Ops that are products, walks over other rows or searches: hand-written always.
bool IsGenerated(const OpDef& op) {
  const OpDef* const written[] = {&ops::kLinear, &ops::kAttention, &ops::kSample, &ops::kEmbed,
                                  &ops::kGatherRows};
  return op.memory != Memory::kView && std::ranges::find(written, &op) == std::end(written);
}

bool StandsForOthers(const Graph& graph) {
  return std::ranges::any_of(graph.nodes(),
                             [](const Node& node) { return !node.op->native.empty(); });
}

std::vector<std::string_view> GeneratedOps(const Graph& graph) {
  std::vector<std::string_view> names;
  for (const Node& node : graph.nodes()) {
    if (IsGenerated(*node.op)) names.push_back(node.op->name);
  }
  return names;
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
  std::vector<std::string_view> generated = GeneratedOps(graph);
  if (!generated.empty()) {
    variants.push_back({std::string(kNative), std::move(graph), std::move(generated)});
  }
  return variants;
}

bool HasVariants(const OpDef& op) {
  return op.memory != Memory::kView && (!op.native.empty() || IsGenerated(op));
}

Result<Executable> LowerVariant(const Variant& variant, const ops::CallShape& shape,
                                Device device) {
  LowerOptions options{.device = device, .native = variant.native};
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
    kernels.push_back(fmt::format("{}@{}", step.kernel->op, step.kernel->provider));
  }
  return kernels;
}

std::string SourcesOf(const std::vector<Step>&) { return ""; }

}  // namespace rw::bench
