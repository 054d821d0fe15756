// config.json and generation_config.json of a Hugging Face model folder, as plain data.
//
// Parsing fills in what transformers would assume for an absent key (the defaults of the model's
// own config class, transformers 5.17) and refuses what this build cannot run or what cannot be
// right, so that a ModelConfig in hand is consistent: sizes positive and small enough that products
// of two of them fit 64 bits, head counts that divide, one window for each layer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/json.h"
#include "base/status.h"
#include "model/rope_config.h"

namespace rw {

enum class Architecture { kLlama, kMistral, kQwen2, kQwen3, kPhi3, kGemma2, kOlmo2, kGranite };

std::string_view Name(Architecture architecture);  // "LlamaForCausalLM", ...

enum class Activation { kSilu, kGeluTanh, kGelu };  // kGelu: with erf

std::string_view Name(Activation activation);  // "silu", "gelu_pytorch_tanh", "gelu"

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;

  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;
  int64_t num_q_heads = 0;
  int64_t num_kv_heads = 0;  // divides num_q_heads
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;

  double rms_norm_eps = 0;
  Activation activation = Activation::kSilu;
  bool tie_word_embeddings = false;  // the head's weights are the embedding's
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  bool norms_hold_one = false;  // Gemma-2's norm weights have 1 added already (GGUF files)

  // One per layer: how many tokens a query sees, itself and those before it. 0: all.
  std::vector<int64_t> window;

  double attention_scale = 0;  // scores are multiplied by it: head_dim^-1/2, or Gemma-2's
                               // query_pre_attn_scalar^-1/2, or Granite's attention_multiplier
  std::optional<double> attn_logit_softcapping;   // Gemma-2: s = cap * tanh(s / cap)
  std::optional<double> final_logit_softcapping;  // Gemma-2
  double embedding_multiplier = 1.0;              // Granite (Gemma-2's sqrt(hidden) is not here:
                                                  // that is fixed by the class, not by a key)
  double residual_multiplier = 1.0;               // Granite
  double logits_scaling = 1.0;                    // Granite: logits are divided by it

  RopeConfig rope;

  std::optional<DType> dtype;  // what config.json says the weights are stored as
  std::optional<int64_t> bos_token_id;
  std::vector<int64_t> eos_token_ids;  // may be empty

  std::vector<std::string> warnings;  // what was ignored, one line each
};

// `root` is config.json; `generation` is generation_config.json where there is one, whose token ids
// go before those of config.json.
Result<ModelConfig> ParseModelConfig(const Json& root, const Json* generation = nullptr);

// Reads config.json and, if present, generation_config.json from the folder; or the metadata of a
// GGUF file (gguf_config.h).
Result<ModelConfig> LoadModelConfig(const std::string& model);

}  // namespace rw
