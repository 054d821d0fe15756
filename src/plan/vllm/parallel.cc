#include <fmt/format.h>

#include "plan/vllm/hardware.h"
#include "plan/vllm/steps.h"

namespace rw::vllm {
namespace {

using enum Knob;

void SwitchOff(State& state, std::string_view code, const std::string& message) {
  state.Warn(code, message);
  state.Set(kEnableSp, false, {message});
  state.Set(kFuseGemmComms, false, {message});
}

}  // namespace

void AsyncTpNeedsSp(State& state) {
  if (!state.On(kFuseGemmComms)) return;
  state.Set(
      kEnableSp, true,
      {"fuse_gemm_comms is built on sequence parallelism", Reason::kConsequence, kFuseGemmComms});
}

void SpNeedsDevices(State& state) {
  if (!state.On(kEnableSp) || state.facts().tensor_parallel_size > 1) return;
  SwitchOff(state, "sp-needs-tp",
            "sequence parallelism needs a tensor-parallel size above 1; it and fuse_gemm_comms "
            "are switched off");
}

void SpThreshold(State& state) {
  if (!state.On(kEnableSp) || state.Has(kSpMinTokenNum)) return;
  const std::optional<int64_t> tokens = SpMinTokens(state.facts());
  if (!tokens) {
    SwitchOff(state, "sp-hidden-too-small",
              fmt::format("hidden size {} is below what sequence parallelism pays for on this "
                          "machine; it and fuse_gemm_comms are switched off; sp_min_token_num "
                          "forces them",
                          state.facts().hidden_size));
    return;
  }
  state.Set(kSpMinTokenNum, *tokens,
            {"from hidden size, element size, tensor-parallel size and machine",
             Reason::kConsequence, kEnableSp});
}

void SpWrongMode(State& state) {
  if (!state.On(kEnableSp) || state.Is(Mode::kVllmCompile)) return;
  state.Warn("sp-wrong-mode", "sequence parallelism is on, but the mode is not VLLM_COMPILE");
}

void SpPipeline(State& state) {
  if (!state.On(kEnableSp) || state.facts().pipeline_parallel_size <= 1) return;
  if (state.Lists(kCustomOps, "-rms_norm")) {
    state.Warn("sp-native-rms-norm",
               "sequence parallelism with pipeline parallelism fails with the native rms_norm that "
               "-rms_norm asks for");
    return;
  }
  state.Append(kCustomOps, "+rms_norm",
               "sequence parallelism with pipeline parallelism needs the hand-written norm");
}

}  // namespace rw::vllm
