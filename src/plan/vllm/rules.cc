#include "plan/vllm/rules.h"

#include "plan/vllm/steps.h"

namespace rw::vllm {
namespace {

struct Rule {
  RuleInfo info;
  void (*apply)(State& state);
};

constexpr std::string_view kPassConfig = "vllm/config/compilation.py: PassConfig.__post_init__";
constexpr std::string_view kCompilation =
    "vllm/config/compilation.py: CompilationConfig.__post_init__";
constexpr std::string_view kPostInit = "vllm/config/vllm.py: __post_init__";
constexpr std::string_view kSplitting = "vllm/config/compilation.py: set_splitting_ops_for_v1";
constexpr std::string_view kCpu = "vllm/platforms/cpu.py: check_and_update_config";

// In the order in which vLLM runs them. The order is part of what they mean: a later rule sees what
// an earlier one left, and some oddities of vLLM are nothing but that.
constexpr Rule kRules[] = {
    {{"own-knobs", "none", "knobs that vLLM lacks are off"}, OwnKnobs},
    {{"vllm-names", "none", "Ropewalk's names of ops become vLLM's"}, SpellAsVllm},
    {{"field-defaults", "vllm/config/compilation.py: PassConfig",
      "no-op elimination is on; RoPE and KV-cache write are fused up to 256 tokens"},
     FieldDefaults},
    {{"reshapes-stay", kPassConfig, "a warning where fusions are on and no-op elimination is off"},
     ReshapeWarning},
    {{"platform-gates", kPassConfig, "a fusion that the user asks for is off where none exists"},
     DropForPlatform},
    {{"rotary-op", kCompilation, "fusions with RoPE that the user asks for add +rotary_embedding"},
     RotaryOp},
    {{"custom-op-list", kCompilation,
      "custom_ops: one base at most, +OP or -OP, no op both on and off"},
     CheckCustomOps},
    {{"enforce-eager", kPostInit, "enforce_eager: mode NONE, cudagraph_mode NONE"}, EnforceEager},
    {{"compilation-disabled", kPostInit, "a warning where a mode but VLLM_COMPILE was given"},
     CompilationDisabled},
    {{"block-fp8-op", kPostInit, "weights in fp8 blocks add +quant_fp8 unless it is off"},
     BlockFp8Op},
    {{"rocm-ops", "vllm/platforms/rocm.py: apply_config_platform_defaults",
      "ROCm adds +sparse_attn_indexer, and +grouped_topk with AITER"},
     RocmOps},
    {{"default-mode", kPostInit, "no mode given: NONE at O0, else VLLM_COMPILE"}, DefaultMode},
    {{"custom-op-base", kPostInit, "no base given: none where Inductor compiles, else all"},
     CustomOpBase},
    {{"rms-norm-providers", "vllm/config/kernel.py: set_platform_defaults",
      "native where Inductor compiles, else vllm_c first; AITER before both"},
     RmsNormProviders},
    {{"level-defaults", "vllm/config/vllm.py: _apply_optimization_level_defaults",
      "what is still unset gets the level's default"},
     LevelDefaults},
    {{"piecewise-needs-compile", kPostInit, "piecewise graphs without VLLM_COMPILE become NONE"},
     PiecewiseNeedsCompile},
    {{"async-tp", kPostInit, "fuse_gemm_comms switches enable_sp on"}, AsyncTpNeedsSp},
    {{"sp-needs-tp", kPostInit, "sequence parallelism is off on one device"}, SpNeedsDevices},
    {{"sp-threshold", kPostInit,
      "sp_min_token_num from the machine's table; without a row sequence parallelism is off"},
     SpThreshold},
    {{"graphs-of-model", kPostInit,
      "pooling models get piecewise graphs, encoder-decoder models graphs for decoding"},
     GraphsOfModel},
    {{"no-graphs-on-cpu", kPostInit, "a platform without graphs: cudagraph_mode NONE"},
     NoGraphsOnCpu},
    {{"capture-sizes", "vllm/config/vllm.py: _set_cudagraph_sizes",
      "sizes up to min(2 * max_num_seqs, 512 or 1024, max_num_batched_tokens)"},
     CaptureSizes},
    {{"compile-sizes", "vllm/config/compilation.py: post_init_cudagraph_sizes",
      "each size once; the word cudagraph_capture_sizes stands for those"},
     CompileSizes},
    {{"cpu-mode", kCpu, "VLLM_COMPILE becomes DYNAMO_TRACE_ONCE; no capture sizes"}, CpuMode},
    {{"compile-ranges", "vllm/config/vllm.py: _set_compile_ranges",
      "endpoints of the fusions that are on at this moment, even if a later rule drops them"},
     CompileRanges},
    {{"split-nothing", kSplitting, "without VLLM_COMPILE nothing is cut"}, SplitNothing},
    {{"split-attn-quant", "vllm/config/compilation.py: set_splitting_ops_for_attn_fusion",
      "fuse_attn_quant: the whole graph, and full instead of piecewise graphs"},
     SplitForAttnQuant},
    {{"split-default", kSplitting,
      "attention ops; without Inductor's partition KV-cache updates too, which drops the fusions "
      "with them"},
     SplitDefault},
    {{"split-empty", kSplitting, "nothing cut: PIECEWISE becomes NONE, FULL_AND_PIECEWISE FULL"},
     SplitEmpty},
    {{"split-sp", kSplitting, "sequence parallelism: the whole graph, full graphs"}, SplitForSp},
    {{"sp-wrong-mode", kPostInit,
      "a warning where sequence parallelism is on and nothing compiled"},
     SpWrongMode},
    {{"sp-pipeline", kPostInit,
      "sequence parallelism with pipeline parallelism adds +rms_norm unless it is off"},
     SpPipeline},
    {{"graphs-need-compile", kPostInit, "piecewise graphs without VLLM_COMPILE are refused"},
     GraphsNeedCompile},
    {{"compile-size-padding", "vllm/v1/cudagraph_dispatcher.py: initialize_cudagraph_keys",
      "a compile size that padding never produces is refused"},
     CompileSizePadding},
    {{"unset-fields", "none", "what vLLM leaves at None gets the number that it then works with"},
     FillUnset},
};

}  // namespace

tl::expected<Plan, Refusal> MakePlan(const Facts& facts, const Options& options) {
  State state(facts, options);
  for (const Rule& rule : kRules) {
    state.rule = rule.info.name;
    state.mirrors = rule.info.mirrors;
    rule.apply(state);
    if (state.refusal) return tl::unexpected(*std::move(state.refusal));
  }
  return ToPlan(std::move(state));
}

std::vector<RuleInfo> Rules() {
  std::vector<RuleInfo> infos;
  for (const Rule& rule : kRules) infos.push_back(rule.info);
  return infos;
}

}  // namespace rw::vllm
