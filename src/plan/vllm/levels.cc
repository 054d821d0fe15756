// What -O0 .. -O3 fill in. Conditions read the configuration as it is at that moment: splitting and
// cudagraph mode are often still open, and that decides some of them.
#include <fmt/format.h>

#include "base/check.h"
#include "plan/vllm/hardware.h"
#include "plan/vllm/steps.h"

namespace rw::vllm {
namespace {

using enum Knob;

struct Verdict {
  bool on;
  std::string why;
};

std::string_view OnOff(bool on) { return on ? "on" : "off"; }

// Whether the KV-cache update will be cut out of the graph: with nothing said it will be, because a
// later rule adds it to the list. A list that names one of the two updates passes for none.
bool KvUpdateSplitOut(const State& state) {
  if (!state.On(kUseInductorGraphPartition) && !state.Has(kSplittingOps) &&
      !state.On(kFuseAttnQuant)) {
    return true;
  }
  return state.Lists(kSplittingOps, "vllm::unified_kv_cache_update") &&
         state.Lists(kSplittingOps, "vllm::unified_mla_kv_cache_update");
}

bool KvUpdateInGraph(const State& state) {
  return state.On(kUseInductorGraphPartition) || !KvUpdateSplitOut(state);
}

Verdict NormQuant(const State& state) {
  const bool norm = state.CustomOpOn("rms_norm");
  const bool quant = state.CustomOpOn("quant_fp8");
  const std::string& provider = state.ListOf(kRmsNormProviders).at(0);
  return {norm || quant || provider != "native",
          fmt::format("on if rms_norm or quant_fp8 is hand-written; here custom ops rms_norm {}, "
                      "quant_fp8 {}, first provider of rms_norm {}",
                      OnOff(norm), OnOff(quant), provider)};
}

Verdict ActQuant(const State& state) {
  const bool act = state.CustomOpOn("silu_and_mul");
  const bool quant = state.CustomOpOn("quant_fp8");
  const bool nvfp4 = state.facts().nvfp4;
  return {act || quant || nvfp4,
          fmt::format("on if silu_and_mul or quant_fp8 is hand-written, or weights are NVFP4; here "
                      "custom ops silu_and_mul {}, quant_fp8 {}, NVFP4 {}",
                      OnOff(act), OnOff(quant), nvfp4 ? "yes" : "no")};
}

Verdict AllreduceRms(const State& state) {
  const Platform& platform = state.facts().platform;
  const bool many = state.facts().tensor_parallel_size > 1;
  if (platform.device == Device::kRocm) {
    return {many && AiterEnabled(platform), "on ROCm on if AITER is, with tensor parallelism"};
  }
  const bool gpu = platform.is_sm100_family() || platform.compute_capability() == 90;
  return {many && gpu && platform.Has("flashinfer"),
          "on if tensor parallelism runs on SM90 or SM100 with FlashInfer installed"};
}

Verdict ActPadding(const State& state) {
  return {state.add_norm_provider == "aiter" && state.facts().hidden_size == 2880,
          "on if AITER's norm is first and the hidden size is that of gpt-oss, 2880"};
}

Verdict MlaDualRmsNorm(const State& state) {
  return {AiterEnabled(state.facts().platform), "on if AITER is"};
}

Verdict RopeKvcache(const State& state) {
  const bool rotary = state.CustomOpOn("rotary_embedding");
  const bool together = KvUpdateInGraph(state);
  return {AiterEnabled(state.facts().platform) && rotary && together,
          fmt::format("on if AITER and custom op rotary_embedding are and the graph is not cut at "
                      "the KV-cache update; here AITER {}, rotary_embedding {}, {}",
                      OnOff(AiterEnabled(state.facts().platform)), OnOff(rotary),
                      together ? "not cut" : "cut")};
}

Verdict QkNormRopeKvcache(const State& state) {
  const bool rotary = state.CustomOpOn("rotary_embedding");
  return {AiterEnabled(state.facts().platform) && rotary,
          fmt::format("on if AITER and custom op rotary_embedding are, wherever the graph is cut; "
                      "here AITER {}, rotary_embedding {}",
                      OnOff(AiterEnabled(state.facts().platform)), OnOff(rotary))};
}

Verdict RopeKvcacheCatMla(const State& state) {
  const bool together = KvUpdateInGraph(state);
  return {together, fmt::format("on if the graph is not cut at the KV-cache update, on any "
                                "platform and for any model; here {}",
                                together ? "not cut" : "cut")};
}

// A fusion is off below the level `from`, and from there on if `condition` holds.
struct LevelRow {
  Knob knob;
  int from;
  Verdict (*condition)(const State& state);
};
constexpr int kNever = 4;
constexpr LevelRow kFusions[] = {
    {kFuseNormQuant, 1, NormQuant},
    {kFuseActQuant, 1, ActQuant},
    {kFuseAllreduceRms, 2, AllreduceRms},
    {kFuseAttnQuant, kNever, nullptr},
    {kEnableSp, kNever, nullptr},
    {kFuseGemmComms, kNever, nullptr},
    {kFuseActPadding, 1, ActPadding},
    {kFuseMlaDualRmsNorm, 1, MlaDualRmsNorm},
    {kFuseRopeKvcache, 2, RopeKvcache},
    {kFuseQkNormRopeKvcache, 2, QkNormRopeKvcache},
    {kEnableQkNormRopeFusion, kNever, nullptr},
    {kFuseRopeKvcacheCatMla, 2, RopeKvcacheCatMla},
};

constexpr CudagraphMode kCudagraphModes[] = {CudagraphMode::kNone, CudagraphMode::kPiecewise,
                                             CudagraphMode::kFullAndPiecewise,
                                             CudagraphMode::kFullAndPiecewise};

}  // namespace

void LevelDefaults(State& state) {
  const int level = state.options().level;
  RW_CHECK(level >= 0 && level <= 3, "level {}", level);
  for (const LevelRow& row : kFusions) {
    if (state.Has(row.knob)) continue;
    if (level < row.from) {
      state.SetFromLevel(
          row.knob, false,
          {row.from == kNever ? "off at every level" : fmt::format("off below O{}", row.from),
           Reason::kOffAtLevel});
      continue;
    }
    Verdict verdict = row.condition(state);
    state.SetFromLevel(row.knob, verdict.on, {std::move(verdict.why), Reason::kLevelDefault});
  }
  if (!state.Has(kCudagraphMode)) {
    state.SetFromLevel(kCudagraphMode, ValueOf(kCudagraphModes[level]),
                       {fmt::format("the default of O{}", level), Reason::kLevelDefault});
  }
  if (!state.Has(kUseInductorGraphPartition)) {
    state.SetFromLevel(kUseInductorGraphPartition, false,
                       {"off at every level", Reason::kOffAtLevel});
  }
}

}  // namespace rw::vllm
