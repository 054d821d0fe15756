// What config.json says about rotary position embeddings, checked and with defaults filled in.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace rw {

enum class RopeType { kDefault, kLinear, kDynamic, kLlama3, kYarn, kLongrope };

std::string_view Name(RopeType type);  // "default", "linear", ...: the spelling of config.json

// Names are the keys of config.json. A field that the type does not use keeps its default.
struct RopeConfig {
  RopeType type = RopeType::kDefault;
  double theta = 10000.0;
  int64_t rotary_dim = 0;  // int(head_dim * partial_rotary_factor): even, the first dims of a head
  double partial_rotary_factor = 1.0;

  double factor = 1.0;                           // linear, dynamic, llama3, yarn, longrope
  int64_t original_max_position_embeddings = 0;  // llama3, yarn, longrope: length of pretraining
  double low_freq_factor = 1.0;                  // llama3
  double high_freq_factor = 4.0;                 // llama3
  std::optional<double> attention_factor;        // yarn, longrope: else derived from factor
  double beta_fast = 32.0;                       // yarn
  double beta_slow = 1.0;                        // yarn
  std::optional<double> mscale;                  // yarn
  std::optional<double> mscale_all_dim;          // yarn
  bool truncate = true;                          // yarn
  std::vector<double> short_factor;              // longrope: rotary_dim / 2 each
  std::vector<double> long_factor;

  bool operator==(const RopeConfig&) const = default;
};

// What of the rest of the model the rope keys depend on.
struct RopeContext {
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  bool phi3 = false;  // the one supported family with partial rotary; "su" and "yarn" mean longrope
  int64_t default_original_max_position_embeddings = 0;  // 0: max_position_embeddings
};

// Reads `rope_parameters` (transformers 5) or `rope_scaling` with `rope_theta` (before), from the
// root of config.json.
Result<RopeConfig> ParseRopeConfig(const Json& root, const RopeContext& context);

}  // namespace rw
