// One row per supported architecture: what its config class in transformers assumes for absent keys
// and which keys it heeds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/config.h"

namespace rw {

enum class BiasRule { kNone, kAlways, kByKey };  // kByKey: attention_bias or mlp_bias says

enum class WindowRule {
  kNone,        // every layer sees everything, whatever the file says of windows
  kEveryLayer,  // sliding_window, where it is not null
  kLayerTypes,  // sliding_window in the layers that layer_types calls sliding_attention
  kUseSliding,  // the same, but only with use_sliding_window; no layer_types: from the layer
                // max_window_layers on
};

struct ArchitectureRow {
  Architecture architecture;
  std::string_view name;
  std::string_view model_type;
  std::string_view activation_key;
  std::string_view activation;
  int64_t num_kv_heads;  // 0: as many as query heads
  int64_t head_dim;      // 0: hidden_size / heads
  int64_t max_position_embeddings;
  double rms_norm_eps;
  bool tie_word_embeddings;
  BiasRule qkv_bias;
  BiasRule o_bias;
  BiasRule mlp_bias;
  WindowRule window_rule;
  int64_t sliding_window;  // 0: null
  std::optional<int64_t> bos_token_id;
  std::optional<int64_t> eos_token_id;
  int64_t original_max_position_embeddings;  // 0: the class has no such key
};

// In the order of the enum.
std::span<const ArchitectureRow> Architectures();
const ArchitectureRow& RowOf(Architecture architecture);

// Numbers that only some architectures have: the key, where it goes, and the class's default.
// `optional` ones may be null, which leaves them out.
struct ArchitectureNumber {
  Architecture architecture;
  std::string_view key;
  double absent;
  double ModelConfig::*field;
  std::optional<double> ModelConfig::*optional;
};
std::span<const ArchitectureNumber> ArchitectureNumbers();

}  // namespace rw
