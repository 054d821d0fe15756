// The rules' functions, in the files that hold them; rules.cc has their order.
#pragma once

#include "plan/vllm/state.h"

namespace rw::vllm {

// construct.cc: what vLLM does while it builds PassConfig and CompilationConfig.
void OwnKnobs(State& state);
void FieldDefaults(State& state);
void SpellAsVllm(State& state);
void ReshapeWarning(State& state);
void DropForPlatform(State& state);
void RotaryOp(State& state);
void CheckCustomOps(State& state);

// defaults.cc: mode, custom ops and providers, before the level.
void EnforceEager(State& state);
void CompilationDisabled(State& state);
void BlockFp8Op(State& state);
void RocmOps(State& state);
void DefaultMode(State& state);
void CustomOpBase(State& state);
void RmsNormProviders(State& state);

// levels.cc
void LevelDefaults(State& state);

// parallel.cc: sequence parallelism and what is built on it.
void AsyncTpNeedsSp(State& state);
void SpNeedsDevices(State& state);
void SpThreshold(State& state);
void SpWrongMode(State& state);
void SpPipeline(State& state);

// graphs.cc: what is captured.
void PiecewiseNeedsCompile(State& state);
void GraphsOfModel(State& state);
void NoGraphsOnCpu(State& state);
void CpuMode(State& state);
void GraphsNeedCompile(State& state);

// sizes.cc: for which numbers of tokens.
void CaptureSizes(State& state);
void CompileSizes(State& state);
void CompileRanges(State& state);
void CompileSizePadding(State& state);

// splitting.cc: where the graph is cut.
void SplitNothing(State& state);
void SplitForAttnQuant(State& state);
void SplitDefault(State& state);
void SplitEmpty(State& state);
void SplitForSp(State& state);

// ledger.cc: what came out, with its ledger.
void FillUnset(State& state);
Plan ToPlan(State state);

}  // namespace rw::vllm
