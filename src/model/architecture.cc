#include "model/architecture.h"

#include <array>

namespace rw {
namespace {

// From src/transformers/models/<model_type>/configuration_<model_type>.py and the Linear(bias=...)
// of modeling_<model_type>.py, transformers 5.17.
constexpr std::array kRows = {
    ArchitectureRow{
        .architecture = Architecture::kLlama,
        .name = "LlamaForCausalLM",
        .model_type = "llama",
        .activation_key = "hidden_act",
        .activation = "silu",
        .num_kv_heads = 0,
        .head_dim = 0,
        .max_position_embeddings = 2048,
        .rms_norm_eps = 1e-6,
        .tie_word_embeddings = false,
        .qkv_bias = BiasRule::kByKey,
        .o_bias = BiasRule::kByKey,
        .mlp_bias = BiasRule::kByKey,
        .window_rule = WindowRule::kNone,
        .sliding_window = 0,
        .bos_token_id = 1,
        .eos_token_id = 2,
        .original_max_position_embeddings = 0,
    },
    ArchitectureRow{
        .architecture = Architecture::kMistral,
        .name = "MistralForCausalLM",
        .model_type = "mistral",
        .activation_key = "hidden_act",
        .activation = "silu",
        .num_kv_heads = 8,
        .head_dim = 0,
        .max_position_embeddings = 131072,
        .rms_norm_eps = 1e-6,
        .tie_word_embeddings = false,
        .qkv_bias = BiasRule::kNone,
        .o_bias = BiasRule::kNone,
        .mlp_bias = BiasRule::kNone,
        .window_rule = WindowRule::kEveryLayer,
        .sliding_window = 4096,
        .bos_token_id = 1,
        .eos_token_id = 2,
        .original_max_position_embeddings = 0,
    },
    ArchitectureRow{
        .architecture = Architecture::kQwen2,
        .name = "Qwen2ForCausalLM",
        .model_type = "qwen2",
        .activation_key = "hidden_act",
        .activation = "silu",
        .num_kv_heads = 32,
        .head_dim = 0,
        .max_position_embeddings = 32768,
        .rms_norm_eps = 1e-6,
        .tie_word_embeddings = false,
        .qkv_bias = BiasRule::kAlways,
        .o_bias = BiasRule::kNone,
        .mlp_bias = BiasRule::kNone,
        .window_rule = WindowRule::kUseSliding,
        .sliding_window = 4096,
        .bos_token_id = std::nullopt,
        .eos_token_id = std::nullopt,
        .original_max_position_embeddings = 0,
    },
    ArchitectureRow{
        .architecture = Architecture::kQwen3,
        .name = "Qwen3ForCausalLM",
        .model_type = "qwen3",
        .activation_key = "hidden_act",
        .activation = "silu",
        .num_kv_heads = 32,
        .head_dim = 128,
        .max_position_embeddings = 32768,
        .rms_norm_eps = 1e-6,
        .tie_word_embeddings = false,
        .qkv_bias = BiasRule::kByKey,
        .o_bias = BiasRule::kByKey,
        .mlp_bias = BiasRule::kNone,
        .window_rule = WindowRule::kUseSliding,
        .sliding_window = 4096,
        .bos_token_id = std::nullopt,
        .eos_token_id = std::nullopt,
        .original_max_position_embeddings = 0,
    },
    ArchitectureRow{
        .architecture = Architecture::kPhi3,
        .name = "Phi3ForCausalLM",
        .model_type = "phi3",
        .activation_key = "hidden_act",
        .activation = "silu",
        .num_kv_heads = 0,
        .head_dim = 0,
        .max_position_embeddings = 4096,
        .rms_norm_eps = 1e-5,
        .tie_word_embeddings = false,
        .qkv_bias = BiasRule::kNone,
        .o_bias = BiasRule::kNone,
        .mlp_bias = BiasRule::kNone,
        .window_rule = WindowRule::kEveryLayer,
        .sliding_window = 0,
        .bos_token_id = 1,
        .eos_token_id = 32000,
        .original_max_position_embeddings = 4096,
    },
    ArchitectureRow{
        .architecture = Architecture::kGemma2,
        .name = "Gemma2ForCausalLM",
        .model_type = "gemma2",
        .activation_key = "hidden_activation",
        .activation = "gelu_pytorch_tanh",
        .num_kv_heads = 4,
        .head_dim = 256,
        .max_position_embeddings = 8192,
        .rms_norm_eps = 1e-6,
        .tie_word_embeddings = true,
        .qkv_bias = BiasRule::kByKey,
        .o_bias = BiasRule::kByKey,
        .mlp_bias = BiasRule::kNone,
        .window_rule = WindowRule::kLayerTypes,
        .sliding_window = 4096,
        .bos_token_id = 2,
        .eos_token_id = 1,
        .original_max_position_embeddings = 0,
    },
    ArchitectureRow{
        .architecture = Architecture::kOlmo2,
        .name = "Olmo2ForCausalLM",
        .model_type = "olmo2",
        .activation_key = "hidden_act",
        .activation = "silu",
        .num_kv_heads = 0,
        .head_dim = 0,
        .max_position_embeddings = 2048,
        .rms_norm_eps = 1e-5,
        .tie_word_embeddings = false,
        .qkv_bias = BiasRule::kByKey,
        .o_bias = BiasRule::kByKey,
        .mlp_bias = BiasRule::kNone,
        .window_rule = WindowRule::kNone,
        .sliding_window = 0,
        .bos_token_id = std::nullopt,
        .eos_token_id = 50279,
        .original_max_position_embeddings = 0,
    },
    ArchitectureRow{
        .architecture = Architecture::kGranite,
        .name = "GraniteForCausalLM",
        .model_type = "granite",
        .activation_key = "hidden_act",
        .activation = "silu",
        .num_kv_heads = 0,
        .head_dim = 0,
        .max_position_embeddings = 2048,
        .rms_norm_eps = 1e-6,
        .tie_word_embeddings = false,
        .qkv_bias = BiasRule::kByKey,
        .o_bias = BiasRule::kByKey,
        .mlp_bias = BiasRule::kByKey,
        .window_rule = WindowRule::kNone,
        .sliding_window = 0,
        .bos_token_id = 1,
        .eos_token_id = 2,
        .original_max_position_embeddings = 0,
    },
};

constexpr bool RowsFollowTheEnum() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].architecture) != i) return false;
  }
  return kRows.size() == static_cast<size_t>(Architecture::kGranite) + 1;
}
static_assert(RowsFollowTheEnum());

constexpr std::array kNumbers = {
    ArchitectureNumber{Architecture::kGemma2, "attn_logit_softcapping", 50.0, nullptr,
                       &ModelConfig::attn_logit_softcapping},
    ArchitectureNumber{Architecture::kGemma2, "final_logit_softcapping", 30.0, nullptr,
                       &ModelConfig::final_logit_softcapping},
    ArchitectureNumber{Architecture::kGranite, "attention_multiplier", 1.0,
                       &ModelConfig::attention_scale, nullptr},
    ArchitectureNumber{Architecture::kGranite, "embedding_multiplier", 1.0,
                       &ModelConfig::embedding_multiplier, nullptr},
    ArchitectureNumber{Architecture::kGranite, "residual_multiplier", 1.0,
                       &ModelConfig::residual_multiplier, nullptr},
    ArchitectureNumber{Architecture::kGranite, "logits_scaling", 1.0, &ModelConfig::logits_scaling,
                       nullptr},
};

}  // namespace

std::span<const ArchitectureRow> Architectures() { return kRows; }

const ArchitectureRow& RowOf(Architecture architecture) {
  return kRows[static_cast<size_t>(architecture)];
}

std::span<const ArchitectureNumber> ArchitectureNumbers() { return kNumbers; }

std::string_view Name(Architecture architecture) { return RowOf(architecture).name; }

}  // namespace rw
