#include "plan/knob.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"
#include "base/json.h"
#include "base/text.h"

namespace rw {
namespace {

constexpr std::array<std::string_view, 4> kModes = {"NONE", "STOCK_TORCH_COMPILE",
                                                    "DYNAMO_TRACE_ONCE", "VLLM_COMPILE"};
constexpr std::array<std::string_view, 5> kCudagraphModes = {
    "NONE", "PIECEWISE", "FULL", "FULL_DECODE_ONLY", "FULL_AND_PIECEWISE"};

using enum Knob;
constexpr auto kFlag = KnobType::kFlag;
constexpr auto kInt = KnobType::kInt;
constexpr auto kChoice = KnobType::kChoice;

constexpr KnobDef kKnobs[] = {
    {kMode, "mode", kChoice, true, "Whether the graph is compiled: rewritten, cut and lowered",
     kModes, "level"},
    {kCustomOps, "custom_ops", KnobType::kNames, true,
     "Ops that run as hand-written kernels: all or none, then +op or -op"},
    {kSplittingOps, "splitting_ops", KnobType::kNames, true, "Ops at which the graph is cut"},
    {kUseInductorGraphPartition, "use_inductor_graph_partition", kFlag, true,
     "Cut the graph after the passes, which then see it whole"},
    {kCudagraphMode, "cudagraph_mode", kChoice, true, "Which steps run as captured graphs",
     kCudagraphModes},
    {kCudagraphCaptureSizes, "cudagraph_capture_sizes", KnobType::kSizes, true,
     "Numbers of tokens for which graphs are captured"},
    {kMaxCudagraphCaptureSize, "max_cudagraph_capture_size", kInt, true,
     "The largest captured number of tokens"},
    {kCompileSizes, "compile_sizes", KnobType::kSizes, true,
     "Numbers of tokens that get an executable of their own"},
    {kCompileRangesEndpoints,
     "compile_ranges_endpoints",
     KnobType::kSizes,
     true,
     "Numbers of tokens at which one executable ends and the next begins",
     {},
     "compile_ranges_split_points"},
    {kFuseNormQuant,
     "pass_config.fuse_norm_quant",
     kFlag,
     true,
     "RMSNorm + quantization",
     {},
     "fuse_norm"},
    {kFuseActQuant,
     "pass_config.fuse_act_quant",
     kFlag,
     true,
     "SiLU·mul + quantization",
     {},
     "fuse_act"},
    {kFuseAttnQuant,
     "pass_config.fuse_attn_quant",
     kFlag,
     true,
     "attention + quantization",
     {},
     "enable_attn_fusion"},
    {kEnableSp,
     "pass_config.enable_sp",
     kFlag,
     true,
     "sequence parallelism",
     {},
     "enable_sequence_parallelism"},
    {kFuseGemmComms,
     "pass_config.fuse_gemm_comms",
     kFlag,
     true,
     "products + collectives",
     {},
     "enable_async_tp"},
    {kFuseAllreduceRms,
     "pass_config.fuse_allreduce_rms",
     kFlag,
     true,
     "all-reduce + RMSNorm",
     {},
     "enable_fi_allreduce_fusion"},
    {kEnableQkNormRopeFusion, "pass_config.enable_qk_norm_rope_fusion", kFlag, true,
     "norms of q and k + RoPE"},
    {kFuseRopeKvcacheCatMla, "pass_config.fuse_rope_kvcache_cat_mla", kFlag, true,
     "RoPE + latent KV-cache write (MLA)"},
    {kFuseActPadding, "pass_config.fuse_act_padding", kFlag, true, "RMSNorm + padding"},
    {kFuseMlaDualRmsNorm, "pass_config.fuse_mla_dual_rms_norm", kFlag, true,
     "the two norms of MLA"},
    {kFuseRopeKvcache, "pass_config.fuse_rope_kvcache", kFlag, true, "RoPE + KV-cache write"},
    {kFuseQkNormRopeKvcache, "pass_config.fuse_qk_norm_rope_kvcache", kFlag, true,
     "norms of q and k + RoPE + KV-cache write"},
    {kFuseAddRmsNorm, "pass_config.fuse_add_rms_norm", kFlag, false, "residual add + RMSNorm"},
    {kFuseActMul, "pass_config.fuse_act_mul", kFlag, false, "SiLU or GELU of the gate + product"},
    {kMergeQkv, "pass_config.merge_qkv", kFlag, false, "the projections to q, k and v in one call"},
    {kMergeGateUp, "pass_config.merge_gate_up", kFlag, false,
     "the projections to gate and up in one call"},
    {kFuseLinearRopeKvcache, "pass_config.fuse_linear_rope_kvcache", kFlag, false,
     "the projections to q, k and v + RoPE + KV-cache write"},
    {kFuseLinearActMul, "pass_config.fuse_linear_act_mul", kFlag, false,
     "the projections to gate and up + SiLU or GELU + product"},
    {kFuseLinearAdd, "pass_config.fuse_linear_add", kFlag, false, "projection + residual add"},
    {kFuseNormLinear, "pass_config.fuse_norm_linear", kFlag, false,
     "RMSNorm + the projections that read it"},
    {kEliminateNoops, "pass_config.eliminate_noops", kFlag, true, "Drop ops that change nothing"},
    {kRopeKvcacheFusionMaxTokenNum, "pass_config.rope_kvcache_fusion_max_token_num", kInt, true,
     "The largest number of tokens of a step in which RoPE and KV-cache write are fused"},
    {kFiAllreduceFusionMaxSizeMb, "pass_config.fi_allreduce_fusion_max_size_mb", KnobType::kFloat,
     true, "The largest all-reduce in MB that is fused with RMSNorm"},
    {kSpMinTokenNum, "pass_config.sp_min_token_num", kInt, true,
     "The smallest number of tokens of a step that runs with sequence parallelism"},
    {kRmsNormProviders, "ir_op_priority.rms_norm", KnobType::kNames, true,
     "Kernel providers of rms_norm, the preferred one first"},
};
static_assert(std::size(kKnobs) == kNumKnobs);

// What vLLM's compilation config has and Ropewalk does not, and why.
struct Foreign {
  std::string_view name;
  std::string_view why;
};
constexpr std::string_view kTorch = "Ropewalk has no torch.compile behind it";
constexpr Foreign kForeign[] = {
    {"backend", kTorch},
    {"inductor_compile_config", kTorch},
    {"inductor_passes", kTorch},
    {"dynamic_shapes_config", "sizes are symbols in every graph of Ropewalk"},
    {"ir_enable_torch_wrap", kTorch},
    {"compile_mm_encoder", "Ropewalk runs text decoders"},
    {"cudagraph_mm_encoder", "Ropewalk runs text decoders"},
    {"fast_moe_cold_start", "Ropewalk has no mixture-of-experts models yet"},
    {"cudagraph_num_of_warmups", "Ropewalk decides how a graph is captured"},
    {"cudagraph_copy_inputs", "inputs of a step always lie in the same place"},
    {"cudagraph_specialize_lora", "Ropewalk has no LoRA"},
    {"debug_dump_path", "`ropewalk graph` and `ropewalk plan` print what would be dumped"},
    {"cache_dir", "compiling takes milliseconds and is not cached"},
    {"compile_cache_save_format", "compiling takes milliseconds and is not cached"},
};

std::string_view LastPart(std::string_view name) { return name.substr(name.rfind('.') + 1); }

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

template <class T>
std::optional<T> Number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view TypeName(KnobType type) {
  switch (type) {
    case KnobType::kFlag:
      return "true or false";
    case KnobType::kInt:
      return "a whole number, 0 or more";
    case KnobType::kFloat:
      return "a number, 0 or more";
    case KnobType::kChoice:
      return "a name";
    case KnobType::kNames:
      return "a list of names";
    case KnobType::kSizes:
      return "a list of whole numbers, each 1 or more";
  }
  return "";
}

tl::unexpected<Error> Wrong(const KnobDef& def, std::string_view found) {
  if (def.type == KnobType::kChoice) {
    return Err("{}: expected one of {}, found {}", def.name, fmt::join(def.values, ", "), found);
  }
  return Err("{}: expected {}, found {}", def.name, TypeName(def.type), found);
}

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '"' || s.front() == '\''))
    s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '"' || s.back() == '\'')) s.remove_suffix(1);
  return s;
}

Names SplitList(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  Names items;
  while (!Trim(text).empty()) {
    const size_t comma = text.find(',');
    items.emplace_back(Trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return items;
}

}  // namespace

std::span<const KnobDef> Knobs() { return kKnobs; }

const KnobDef& Def(Knob knob) {
  const KnobDef& def = kKnobs[static_cast<size_t>(knob)];
  RW_CHECK(def.knob == knob, "knob table out of order at {}", def.name);
  return def;
}

Result<Knob> FindKnob(std::string_view name) {
  for (const KnobDef& def : kKnobs) {
    if (name == def.name || name == LastPart(def.name)) return def.knob;
    if (!def.alias.empty() && LastPart(name) == def.alias) return def.knob;
  }
  for (const Foreign& foreign : kForeign) {
    if (name == foreign.name) {
      return Err("{}: vLLM has this knob, Ropewalk has none: {}", name, foreign.why);
    }
  }
  std::vector<std::string> known;
  for (const KnobDef& def : kKnobs) known.emplace_back(LastPart(def.name));
  const KnobDef& nearest = kKnobs[Nearest(LastPart(name), known)];
  return Err("unknown knob {}; the nearest is {}", name, nearest.name);
}

std::string ToString(const KnobDef& def, const KnobValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<int64_t>(&value)) {
    if (def.type == KnobType::kChoice) return std::string(def.values[static_cast<size_t>(*number)]);
    return std::to_string(*number);
  }
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* names = std::get_if<Names>(&value)) {
    return fmt::format("[{}]", fmt::join(*names, ", "));
  }
  return fmt::format("[{}]", fmt::join(std::get<Sizes>(value), ", "));
}

Result<KnobValue> ParseValue(const KnobDef& def, std::string_view text) {
  text = Trim(text);
  switch (def.type) {
    case KnobType::kFlag: {
      const std::string lower = Lower(text);
      if (lower == "true" || lower == "1") return KnobValue(true);
      if (lower == "false" || lower == "0") return KnobValue(false);
      break;
    }
    case KnobType::kInt:
      if (const auto value = Number<int64_t>(text); value && *value >= 0) return KnobValue(*value);
      break;
    case KnobType::kFloat:
      if (const auto value = Number<double>(text); value && *value >= 0) return KnobValue(*value);
      break;
    case KnobType::kChoice: {
      for (size_t i = 0; i < def.values.size(); ++i) {
        if (Lower(text) == Lower(def.values[i])) return KnobValue(static_cast<int64_t>(i));
      }
      const auto number = Number<int64_t>(text);
      if (def.knob == Knob::kMode && number && *number >= 0 && *number < 4)
        return KnobValue(*number);
      break;
    }
    case KnobType::kNames:
      return KnobValue(SplitList(text));
    case KnobType::kSizes: {
      if (def.knob == Knob::kCompileSizes && text == kCaptureSizes)
        return KnobValue(Names{std::string(text)});
      Sizes sizes;
      for (const std::string& item : SplitList(text)) {
        const auto value = Number<int64_t>(item);
        if (!value || *value < 1) return Wrong(def, item);
        sizes.push_back(*value);
      }
      return KnobValue(std::move(sizes));
    }
  }
  return Wrong(def, text.empty() ? "nothing" : text);
}

}  // namespace rw
