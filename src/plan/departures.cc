#include "plan/departures.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "plan/names.h"

namespace rw {
namespace {

using enum Knob;
constexpr std::string_view kAiter = "rocm:gfx950,aiter";
constexpr std::string_view kRope = "fuse_rope_kvcache=true";
constexpr std::string_view kWhole = "splitting_ops=[]";
constexpr std::string_view kIgp = "use_inductor_graph_partition=true";
constexpr std::string_view kRotary = "custom_ops+=+rotary_embedding";

const std::vector<Departure>& Rows() {
  static const std::vector<Departure> rows = {
      {"request-honoured",
       kAiter,
       2,
       {kRope},
       1,
       false,
       kFuseRopeKvcache,
       "false",
       "true",
       "vLLM splits the KV-cache update out of the graph first and then drops the request with a "
       "warning. Passes here see the whole graph, so there is nothing to drop.",
       "#57349"},
      {"no-stale-range",
       kAiter,
       2,
       {kRope},
       1,
       false,
       kCompileRangesEndpoints,
       "[256, 256, 8192]",
       "[8192]",
       "vLLM computes ranges before it switches the fusion off, and compiles for a boundary that "
       "nothing needs. A range here exists while the fusion that asks for it does.",
       "#57349"},
      {"op-follows-fusion",
       kAiter,
       2,
       {kWhole},
       1,
       false,
       kFuseRopeKvcache,
       "false",
       "true",
       "vLLM's default waits for the rotary op to be on, which only the fusion would switch on: "
       "the "
       "documented opt-in fails. The op here follows from the fusion.",
       "#57900"},
      {"op-follows-fusion-igp",
       kAiter,
       2,
       {kIgp},
       1,
       false,
       kFuseRopeKvcache,
       "false",
       "true",
       "The same with graph partition inside Inductor.",
       "#57900"},
      {"endpoints-once",
       kAiter,
       2,
       {kRotary, kWhole},
       1,
       false,
       kCompileRangesEndpoints,
       "[256, 256, 8192]",
       "[8192]",
       "Two fusions put the same boundary into vLLM's list. And 256 is a number measured on one "
       "platform: no limit applies here until one is measured.",
       "#52363"},
      {"qk-norm-needs-norms",
       kAiter,
       2,
       {kRotary, kIgp},
       1,
       false,
       kFuseQkNormRopeKvcache,
       "true",
       "false",
       "vLLM switches it on for models without norms of q and k, where it never matches.",
       "#55720"},
      {"no-range-for-rotary",
       kAiter,
       2,
       {kRotary},
       1,
       false,
       kCompileRangesEndpoints,
       "[256, 8192]",
       "[8192]",
       "Asking for the rotary op alone makes vLLM switch a fusion on, warn, switch it off and keep "
       "its range.",
       "#36716"},
      {"cut-inside-is-a-conflict",
       kAiter,
       2,
       {kRope, "splitting_ops=[attention,kv_write,unified_mla_kv_cache_update]"},
       1,
       false,
       kFuseRopeKvcache,
       "true",
       "refused: split-between",
       "vLLM keeps the flag and matches nowhere, silently, where the user's list cuts between rope "
       "and write.",
       "#57349"},
      {"cut-inside-is-off",
       kAiter,
       2,
       {kRotary, "splitting_ops=[attention,kv_write]"},
       1,
       false,
       kFuseRopeKvcache,
       "true",
       "false",
       "vLLM asks whether the list has both KV-cache updates; with one of them it believes that "
       "nothing is cut.",
       "#45798"},
      {"parallel-is-refused",
       kAiter,
       2,
       {kRope, "enable_sp=true", "sp_min_token_num=512"},
       2,
       false,
       kFuseRopeKvcache,
       "false",
       "refused: one-device",
       "vLLM switches the fusion off for a split that sequence parallelism then removes. Ropewalk "
       "runs on one device and says so.",
       "vllm-behaviour, 6.2"},
      {"kernels-decide",
       "rocm:gfx950",
       2,
       {kRope},
       1,
       false,
       kFuseRopeKvcache,
       "false",
       "true",
       "Without AITER no vLLM backend has the fused kernel, and with a whole graph the flag stays "
       "true for zero matches. Here the kernel table decides: on where there is a kernel.",
       "vllm-behaviour, 3.1"},
      {"fusion-brings-compiling",
       kAiter,
       0,
       {kRope},
       1,
       false,
       kMode,
       "NONE",
       "VLLM_COMPILE",
       "At O0 vLLM keeps the flag and runs no pass. A request outranks the level here.",
       "vllm-behaviour, 6.2"},
      {"eager-is-a-conflict",
       kAiter,
       2,
       {kRope, "--enforce-eager"},
       1,
       false,
       kFuseRopeKvcache,
       "true",
       "refused: not-compiled",
       "Eager in vLLM keeps the flag and runs no pass.",
       "vllm-behaviour, 6.2"},
      {"short-attention-list",
       "cuda:sm90",
       2,
       {"fuse_attn_quant=true", "splitting_ops=[attention]"},
       1,
       false,
       kFuseAttnQuant,
       "true",
       "refused: no-such-op",
       "vLLM refuses only a list with all 14 attention ops; a shorter one passes and nothing "
       "matches.",
       "vllm-behaviour, 6.2"},
      {"mla-needs-mla",
       kAiter,
       2,
       {kIgp},
       1,
       false,
       kFuseRopeKvcacheCatMla,
       "true",
       "false",
       "vLLM switches the MLA fusion on for every model whose graph is whole.",
       "#55720"},
      {"mla-request",
       "cuda:sm90",
       2,
       {"fuse_rope_kvcache_cat_mla=true"},
       1,
       false,
       kFuseRopeKvcacheCatMla,
       "true",
       "refused: no-such-op",
       "With the default split vLLM keeps the flag and never matches.",
       "#49142"},
      {"cuda-too",
       "cuda:sm90",
       2,
       {kRope},
       1,
       false,
       kFuseRopeKvcache,
       "false",
       "true",
       "vLLM's fused kernels are for ROCm, so the request is dropped with a warning. A platform is "
       "not a reason here; a missing kernel is.",
       "#52363"},
      {"hand-written-by-default",
       "cuda:sm90",
       2,
       {},
       1,
       false,
       kCustomOps,
       "[none]",
       "[all]",
       "vLLM leaves native code to Inductor. Ropewalk runs its hand-written kernels where "
       "native code was not measured to be faster.",
       "vllm-behaviour, 4.6"},
      {"no-torch-compile",
       "cuda:sm90",
       2,
       {"mode=STOCK_TORCH_COMPILE"},
       1,
       false,
       kMode,
       "STOCK_TORCH_COMPILE",
       "refused: platform-cannot",
       "There is no torch.compile to be stock.",
       "vllm-behaviour, 1.1"},
      {"piecewise-needs-pieces",
       "cuda:sm90",
       2,
       {kWhole, "cudagraph_mode=PIECEWISE"},
       1,
       false,
       kCudagraphMode,
       "NONE",
       "refused: conflict",
       "vLLM answers a request for piecewise graphs of a whole graph with no graphs at all.",
       "vllm-behaviour, 2.3"},
      {"no-threshold",
       kAiter,
       2,
       {},
       1,
       false,
       kRopeKvcacheFusionMaxTokenNum,
       "256",
       "8192",
       "256 comes from kernels that lose on long prompts. Here a limit is a measured row or a "
       "request.",
       "#36858"},
      {"capture-size-too-large",
       "cuda:sm90",
       2,
       {"cudagraph_capture_sizes=[1,4,9000]"},
       1,
       false,
       kCudagraphCaptureSizes,
       "[1, 4]",
       "refused: out-of-range",
       "vLLM drops the sizes that no step can have.",
       "vllm-behaviour, 2.4"},
  };
  return rows;
}

}  // namespace

std::span<const Departure> Departures() { return Rows(); }

Facts FactsOf(const Departure& departure) {
  Facts facts;
  facts.platform = *ParsePlatform(departure.platform);
  facts.tensor_parallel_size = departure.tensor_parallel_size;
  facts.hidden_size = 8192;
  facts.evidence = NoEvidence();
  for (const CustomOpDef& op : CustomOps()) {
    facts.native_ops.insert(facts.native_ops.end(), op.ops.begin(), op.ops.end());
  }
  GraphFacts graph{.layers = 32,
                   .ops = {"rms_norm", "rope", "kv_write", "attention", "silu", "mul"}};
  std::vector<int> layers;
  for (int i = 0; i < graph.layers; ++i) layers.push_back(i);
  for (const FusionDef& fusion : Fusions()) {
    const auto has = [&](std::string_view part) {
      return std::ranges::find(fusion.parts, part) != fusion.parts.end();
    };
    const bool matches =
        !fusion.makes.empty() && (departure.qk_norm || !has("rope") || !has("rms_norm"));
    if (matches) {
      graph.fusions[static_cast<size_t>(FusionIndex(fusion.knob))] = {
          layers, {}, std::string(fusion.makes[0]), std::string(fusion.makes[0])};
    }
  }
  facts.graph = std::move(graph);
  return facts;
}

Options OptionsOf(const Departure& departure) {
  Options options;
  options.level = departure.level;
  for (const std::string_view argument : departure.config) {
    if (argument == "--enforce-eager") {
      options.enforce_eager = true;
      continue;
    }
    const Status applied = ApplyCompilationConfig(argument, options);
    RW_CHECK(applied.has_value(), "departure {}: {}", departure.name, applied.error().message);
  }
  return options;
}

std::string Answer(const Departure& departure, Policy policy) {
  const auto plan = MakePlan(FactsOf(departure), OptionsOf(departure), policy);
  if (!plan) return fmt::format("refused: {}", plan.error().code);
  return ToString(Def(departure.knob), (*plan)[departure.knob].value);
}

}  // namespace rw
