#include <fmt/format.h>

#include <algorithm>

#include "plan/names.h"
#include "plan/vllm/steps.h"

namespace rw::vllm {
namespace {

using enum Knob;

bool Compiled(const State& state) { return state.Is(Mode::kVllmCompile); }

// The FX graph is cut before the passes see it, so attention must stay in it to be fused.
bool WholeForAttnQuant(const State& state) {
  return Compiled(state) && state.On(kFuseAttnQuant) && !state.On(kUseInductorGraphPartition);
}

Names OpsOf(bool attention) {
  Names names;
  for (const SplittingOpDef& def : SplittingOps()) {
    if (def.attention == attention) names.emplace_back(def.name);
  }
  return names;
}

// The default list cuts the KV-cache update out, so nothing can be fused with it.
void DropKvFusion(State& state, Knob knob, std::string_view code) {
  if (!state.On(knob)) return;
  std::string why = fmt::format(
      "{} needs the KV-cache update in the graph, and the default splitting_ops cut it out; it is "
      "switched off; splitting_ops=[] or use_inductor_graph_partition=true keeps the update",
      Def(knob).name);
  state.Warn(code, why);
  state.Set(knob, false, {std::move(why), Reason::kSplitBetween, kSplittingOps});
}

}  // namespace

void SplitNothing(State& state) {
  if (Compiled(state) || state.Has(kSplittingOps)) return;
  state.Set(kSplittingOps, Names{},
            {"the mode is not VLLM_COMPILE, so nothing is cut", Reason::kNotCompiled, kMode});
}

void SplitForAttnQuant(State& state) {
  if (!WholeForAttnQuant(state)) return;
  if (!state.Has(kSplittingOps)) {
    state.Set(
        kSplittingOps, Names{},
        {"attention is fused, so it stays in the graph", Reason::kConsequence, kFuseAttnQuant});
    if (HasPiecewise(state.cudagraph_mode())) {
      const std::string why =
          "fuse_attn_quant keeps the graph whole, so it is captured whole: cudagraph_mode FULL";
      state.Warn("attn-quant-piecewise-graph", why);
      state.Set(kCudagraphMode, CudagraphMode::kFull, {why, Reason::kWholeGraph, kFuseAttnQuant});
    }
  }
  // Only a list of every attention op counts as one that holds attention.
  const Names attention = OpsOf(true);
  if (!std::ranges::all_of(attention,
                           [&](const std::string& op) { return state.Lists(kSplittingOps, op); })) {
    return;
  }
  state.Refuse("attn-quant-with-attention-split",
               "fuse_attn_quant needs attention in the graph, and splitting_ops cuts it out; leave "
               "splitting_ops unset or set use_inductor_graph_partition",
               {kFuseAttnQuant, kSplittingOps});
}

void SplitDefault(State& state) {
  if (!Compiled(state) || WholeForAttnQuant(state) || state.Has(kSplittingOps)) return;
  Names ops = OpsOf(true);
  if (state.On(kUseInductorGraphPartition)) {
    return state.Set(kSplittingOps, std::move(ops), {"the attention ops, after the passes"});
  }
  DropKvFusion(state, kFuseRopeKvcache, "rope-kvcache-split-off");
  DropKvFusion(state, kFuseQkNormRopeKvcache, "qk-norm-rope-kvcache-split-off");
  for (std::string& op : OpsOf(false)) ops.push_back(std::move(op));
  state.Set(kSplittingOps, std::move(ops), {"the attention ops and the KV-cache updates"});
}

void SplitEmpty(State& state) {
  if (!Compiled(state) || WholeForAttnQuant(state) || !state.ListOf(kSplittingOps).empty()) return;
  const CudagraphMode mode = state.cudagraph_mode();
  if (!HasPiecewise(mode)) return;
  const bool full = mode == CudagraphMode::kFullAndPiecewise;
  std::string why = fmt::format("an empty splitting_ops leaves no pieces to capture: {} instead",
                                full ? "FULL" : "NONE");
  state.Warn("piecewise-graph-empty-split", "piecewise CUDA graphs with an empty splitting_ops");
  state.Warn("piecewise-compile-empty-split", why);
  state.Set(kCudagraphMode, full ? CudagraphMode::kFull : CudagraphMode::kNone,
            {std::move(why), Reason::kWholeGraph, kSplittingOps});
}

void SplitForSp(State& state) {
  if (!Compiled(state) || state.On(kUseInductorGraphPartition)) return;
  if (!state.On(kEnableSp) && !state.On(kFuseGemmComms)) return;
  if (state.ListOf(kSplittingOps).empty()) return;
  std::string why = "sequence parallelism needs the whole graph: splitting_ops becomes []";
  state.Warn("sp-needs-full-graph", why);
  state.Set(kSplittingOps, Names{}, {std::move(why), Reason::kWholeGraph, kEnableSp});
  if (!HasPiecewise(state.cudagraph_mode())) return;
  why = "sequence parallelism leaves no pieces to capture: cudagraph_mode FULL";
  state.Warn("sp-piecewise-graph", why);
  state.Set(kCudagraphMode, CudagraphMode::kFull, {std::move(why), Reason::kWholeGraph, kEnableSp});
}

}  // namespace rw::vllm
