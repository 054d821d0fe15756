#include <fmt/format.h>

#include <algorithm>

#include "plan/vllm/hardware.h"
#include "plan/vllm/steps.h"

namespace rw::vllm {
namespace {

using enum Knob;

// Inductor is vLLM's backend wherever Ropewalk has a platform.
bool UsesInductor(const State& state) { return !state.Is(Mode::kNone); }

// The platform's own list for rms_norm and fused_add_rms_norm.
Names PlatformProviders(const State& state) {
  const Platform& platform = state.facts().platform;
  if (platform.device == Device::kCpu) return {"native"};
  Names providers;
  // The cudagraph mode is None here unless the user or enforce_eager gave one: the level comes
  // later. So O0, which ends without graphs, gets AITER's norm all the same.
  if (AiterAsked(platform) && !IsRdna4(platform) && !state.Is(CudagraphMode::kNone)) {
    providers.emplace_back("aiter");
  }
  if (!UsesInductor(state)) providers.emplace_back("vllm_c");
  providers.emplace_back("native");
  return providers;
}

}  // namespace

void EnforceEager(State& state) {
  if (!state.options().enforce_eager) return;
  state.Warn("enforce-eager", "enforce_eager switches compilation and CUDA graphs off");
  state.Set(kMode, Mode::kNone, {"enforce_eager switches compilation off"});
  state.Set(kCudagraphMode, CudagraphMode::kNone, {"enforce_eager switches CUDA graphs off"});
}

void CompilationDisabled(State& state) {
  if (!state.Has(kMode) || state.Is(Mode::kVllmCompile)) return;
  state.Warn("compilation-disabled",
             "the mode is not VLLM_COMPILE: fusions and everything else that happens while "
             "compiling are ignored");
}

void BlockFp8Op(State& state) {
  if (!state.facts().block_quantized_fp8 || state.Lists(kCustomOps, "-quant_fp8")) return;
  state.Append(kCustomOps, "+quant_fp8", "the weights are quantized to fp8 in blocks");
}

void RocmOps(State& state) {
  const Platform& platform = state.facts().platform;
  if (platform.device != Device::kRocm) return;
  if (AiterEnabled(platform) && !state.Lists(kCustomOps, "+grouped_topk") &&
      !state.Lists(kCustomOps, "-grouped_topk")) {
    state.Append(kCustomOps, "+grouped_topk", "AITER's fused experts need it");
  }
  state.Append(kCustomOps, "+sparse_attn_indexer", "always, on ROCm");
}

void DefaultMode(State& state) {
  if (state.Has(kMode)) return;
  const bool compile = state.options().level > 0;
  state.SetFromLevel(
      kMode, ValueOf(compile ? Mode::kVllmCompile : Mode::kNone),
      {compile ? "every level above O0 compiles" : "O0 does not compile", Reason::kLevelDefault});
}

void CustomOpBase(State& state) {
  if (state.Lists(kCustomOps, "all") || state.Lists(kCustomOps, "none")) return;
  if (UsesInductor(state)) {
    state.Append(kCustomOps, "none", "Inductor compiles ops from their native code");
  } else {
    state.Append(kCustomOps, "all", "nothing compiles native code");
  }
}

void RmsNormProviders(State& state) {
  const Names providers = PlatformProviders(state);
  state.add_norm_provider = providers[0];
  Names all = state.ListOf(kRmsNormProviders);
  for (const std::string& provider : providers) {
    if (std::ranges::find(all, provider) == all.end()) all.push_back(provider);
  }
  if (all == state.ListOf(kRmsNormProviders)) return;
  std::string why = UsesInductor(state) ? "native code, which Inductor compiles, is the default"
                                        : "without Inductor hand-written kernels come first";
  if (providers[0] == "aiter") why = "AITER is asked for and CUDA graphs are not ruled out; " + why;
  state.Extend(kRmsNormProviders, std::move(all), why);
}

}  // namespace rw::vllm
