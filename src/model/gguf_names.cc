#include "model/gguf_names.h"

#include <fmt/format.h>

#include <array>

namespace rw {
namespace {

// From gguf-py's constants.py (TENSOR_NAMES) and tensor_mapping.py.
struct NameRow {
  std::string_view name;  // in a layer: behind "model.layers.N."
  std::string_view gguf;  // in a layer: behind "blk.N."
};
constexpr std::array kOutside = {
    NameRow{"model.embed_tokens", "token_embd"},
    NameRow{"model.norm", "output_norm"},
    NameRow{"lm_head", "output"},
};
constexpr std::array kInLayer = {
    NameRow{"input_layernorm", "attn_norm"},
    NameRow{"self_attn.q_proj", "attn_q"},
    NameRow{"self_attn.k_proj", "attn_k"},
    NameRow{"self_attn.v_proj", "attn_v"},
    NameRow{"self_attn.qkv_proj", "attn_qkv"},
    NameRow{"self_attn.o_proj", "attn_output"},
    NameRow{"self_attn.q_norm", "attn_q_norm"},
    NameRow{"self_attn.k_norm", "attn_k_norm"},
    NameRow{"post_attention_layernorm", "ffn_norm"},
    NameRow{"pre_feedforward_layernorm", "ffn_norm"},
    NameRow{"post_feedforward_layernorm", "post_ffw_norm"},
    NameRow{"mlp.gate_proj", "ffn_gate"},
    NameRow{"mlp.up_proj", "ffn_up"},
    NameRow{"mlp.gate_up_proj", "ffn_up"},  // of Phi-3, gate first, as in its checkpoints
    NameRow{"mlp.down_proj", "ffn_down"},
};
// Most architectures call the norm before the MLP post_attention_layernorm; in these it does stand
// behind attention.
constexpr NameRow kNormBehindAttention = {"post_attention_layernorm", "post_attention_norm"};
constexpr std::array kWithNormBehindAttention = {Architecture::kGemma2, Architecture::kOlmo2};

template <class Rows>
std::optional<std::string_view> Find(const Rows& rows, std::string_view name) {
  for (const NameRow& row : rows) {
    if (row.name == name) return row.gguf;
  }
  return std::nullopt;
}

std::optional<std::string_view> InLayer(Architecture architecture, std::string_view name) {
  for (const Architecture other : kWithNormBehindAttention) {
    if (architecture == other && name == kNormBehindAttention.name) {
      return kNormBehindAttention.gguf;
    }
  }
  return Find(kInLayer, name);
}

constexpr std::string_view kLayers = "model.layers.";

}  // namespace

std::optional<std::string> GgufTensorName(Architecture architecture, std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view stem = name.substr(0, dot);
  const std::string_view ending = name.substr(dot);
  if (ending != ".weight" && ending != ".bias") return std::nullopt;
  if (!stem.starts_with(kLayers)) {
    const auto gguf = Find(kOutside, stem);
    return gguf ? std::optional(fmt::format("{}{}", *gguf, ending)) : std::nullopt;
  }
  const std::string_view below = stem.substr(kLayers.size());
  const size_t end = below.find('.');
  if (end == std::string_view::npos) return std::nullopt;
  const auto gguf = InLayer(architecture, below.substr(end + 1));
  if (!gguf) return std::nullopt;
  return fmt::format("blk.{}.{}{}", below.substr(0, end), *gguf, ending);
}

}  // namespace rw
