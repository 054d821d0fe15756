#include "plan/names.h"

#include <algorithm>

#include "base/text.h"

namespace rw {
namespace {

constexpr SplittingOpDef kSplittingOps[] = {
    {"vllm::unified_attention_with_output", "attention", true},
    {"vllm::unified_mla_attention_with_output", "", true},
    {"vllm::mamba_mixer2", "", true},
    {"vllm::mamba_mixer", "", true},
    {"vllm::short_conv", "", true},
    {"vllm::linear_attention", "", true},
    {"vllm::qwen_gdn_attention_core", "", true},
    {"vllm::qwen_gdn_attention_core_fused_norm_packed", "", true},
    {"vllm::gdn_attention_core_xpu", "", true},
    {"vllm::olmo_hybrid_gdn_full_forward", "", true},
    {"vllm::sparse_attn_indexer", "", true},
    {"vllm::rocm_aiter_sparse_attn_indexer", "", true},
    {"vllm::deepseek_v4_attention", "", true},
    {"vllm::hpc_rope_norm_forward", "", true},
    {"vllm::unified_kv_cache_update", "kv_write", false},
    {"vllm::unified_mla_kv_cache_update", "", false},
};

constexpr std::string_view kVllm = "vllm::";

}  // namespace

const std::vector<CustomOpDef>& CustomOps() {
  static const std::vector<CustomOpDef> ops = {
      {"rms_norm",
       {"rms_norm", "add_rms_norm", "rms_norm_linear", "rms_norm_linear2", "rms_norm_linear3"}},
      {"rotary_embedding",
       {"rope", "rope_kv_write", "qk_norm_rope", "qk_norm_rope_kv_write", "linear3_rope_kv_write"}},
      {"silu_and_mul", {"silu", "silu_mul", "linear2_act_mul"}},
      {"gelu_and_mul", {"gelu", "gelu_mul", "gelu_tanh", "gelu_tanh_mul"}},
      {"vocab_parallel_embedding", {"embed"}},
      {"quant_fp8", {}},
      {"grouped_topk", {}},
      {"sparse_attn_indexer", {}},
      {"fused_moe", {}},
      {"mul_and_silu", {}},
      {"fatrelu_and_mul", {}},
      {"swigluoai_and_mul", {}},
      {"gelu_new", {}},
      {"gelu_fast", {}},
      {"quick_gelu", {}},
      {"relu2", {}},
      {"xielu", {}},
      {"rms_norm_gated", {}},
      {"apply_rotary_emb", {}},
      {"mamba_mixer2", {}},
      {"short_conv", {}},
      {"logits_processor", {}},
  };
  return ops;
}

const CustomOpDef* FindCustomOp(std::string_view name) {
  for (const CustomOpDef& def : CustomOps()) {
    if (def.name == name || std::ranges::find(def.ops, name) != def.ops.end()) return &def;
  }
  return nullptr;
}

std::span<const SplittingOpDef> SplittingOps() { return kSplittingOps; }

const SplittingOpDef* FindSplittingOp(std::string_view name) {
  for (const SplittingOpDef& def : kSplittingOps) {
    if (name == def.name || name == def.name.substr(kVllm.size())) return &def;
    if (!def.op.empty() && name == def.op) return &def;
  }
  return nullptr;
}

Status CheckCustomOpNames(const std::vector<std::string>& list) {
  for (const std::string& item : list) {
    if (item.size() < 2 || (item[0] != '+' && item[0] != '-')) continue;
    const std::string_view name = std::string_view(item).substr(1);
    if (FindCustomOp(name) != nullptr) continue;
    std::vector<std::string> known;
    for (const CustomOpDef& def : CustomOps()) {
      known.emplace_back(def.name);
      known.insert(known.end(), def.ops.begin(), def.ops.end());
    }
    return Err("custom_ops: unknown op {}; the nearest is {}{}", name, item[0],
               known[Nearest(name, known)]);
  }
  return {};
}

Status CheckSplittingOpNames(const std::vector<std::string>& list) {
  for (const std::string& name : list) {
    if (FindSplittingOp(name) != nullptr) continue;
    std::vector<std::string> known;
    for (const SplittingOpDef& def : kSplittingOps) {
      known.emplace_back(def.name);
      if (!def.op.empty()) known.emplace_back(def.op);
    }
    return Err("splitting_ops: unknown op {}; the nearest is {}", name,
               known[Nearest(name, known)]);
  }
  return {};
}

}  // namespace rw
