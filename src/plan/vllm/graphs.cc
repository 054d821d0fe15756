#include <fmt/format.h>

#include "plan/vllm/steps.h"

namespace rw::vllm {
namespace {

using enum Knob;

bool OnCpu(const State& state) { return state.facts().platform.device == Device::kCpu; }

std::string_view NameOf(CudagraphMode mode) {
  return Def(kCudagraphMode).values[static_cast<size_t>(mode)];
}

}  // namespace

void PiecewiseNeedsCompile(State& state) {
  const CudagraphMode mode = state.cudagraph_mode();
  if (!HasPiecewise(mode) || state.Is(Mode::kVllmCompile)) return;
  state.Set(kCudagraphMode, CudagraphMode::kNone,
            {fmt::format("{} captures pieces, and only VLLM_COMPILE cuts the graph", NameOf(mode)),
             Reason::kNotCompiled, kMode});
}

void GraphsOfModel(State& state) {
  if (OnCpu(state)) return;
  const CudagraphMode mode = state.cudagraph_mode();
  if (state.facts().pooling && HasFull(mode)) {
    const std::string why = "pooling models have no full CUDA graphs; PIECEWISE instead";
    state.Warn("pooling-no-full-graph", why);
    state.Set(kCudagraphMode, CudagraphMode::kPiecewise, {why});
  } else if (state.facts().encoder_decoder && mode != CudagraphMode::kNone &&
             mode != CudagraphMode::kFullDecodeOnly) {
    state.Set(kCudagraphMode, CudagraphMode::kFullDecodeOnly,
              {fmt::format("encoder-decoder models do not run with {}", NameOf(mode))});
  }
}

void NoGraphsOnCpu(State& state) {
  if (!OnCpu(state)) return;
  state.Set(kCudagraphMode, CudagraphMode::kNone,
            {"a CPU captures no graphs", Reason::kPlatformCannot});
}

void CpuMode(State& state) {
  if (!OnCpu(state)) return;
  state.Set(kCudagraphCaptureSizes, Sizes{}, {"a CPU captures no graphs", Reason::kPlatformCannot});
  if (state.Is(Mode::kVllmCompile)) {
    state.Set(kMode, Mode::kDynamoTraceOnce,
              {"on a CPU the graph is traced once and compiled whole", Reason::kPlatformCannot});
  }
  if (state.facts().platform.arch == "aarch64" && !state.Lists(kCustomOps, "+gelu") &&
      !state.Lists(kCustomOps, "-gelu")) {
    state.Append(kCustomOps, "+gelu", "always, on ARM");
  }
}

void GraphsNeedCompile(State& state) {
  const CudagraphMode mode = state.cudagraph_mode();
  if (OnCpu(state) || !HasPiecewise(mode) || state.Is(Mode::kVllmCompile)) return;
  state.Refuse("piecewise-graph-needs-compile",
               fmt::format("cudagraph_mode ended as {}, which needs mode VLLM_COMPILE; choose that "
                           "mode or cudagraph_mode NONE",
                           NameOf(mode)),
               {kCudagraphMode, kMode});
}

}  // namespace rw::vllm
