// What tells one decoder architecture from another, as data.
#pragma once

#include <string_view>

#include "model/config.h"

namespace rw {

enum class QkNorm : unsigned char {
  kNone,
  kHead,  // each head of q and k by itself (Qwen3)
  kRow,   // the whole projected row (OLMo-2)
};

struct ArchitectureTraits {
  Architecture architecture;
  std::string_view norm_style;  // of rms_norm
  // Weight names of the norms around the two blocks of a layer, "" where there is none.
  std::string_view norm_before_attention;
  std::string_view norm_after_attention;
  std::string_view norm_before_mlp;
  std::string_view norm_after_mlp;
  QkNorm qk_norm = QkNorm::kNone;
  bool fused_qkv = false;         // one weight qkv_proj
  bool fused_gate_up = false;     // one weight gate_up_proj
  bool scaled_embedding = false;  // the embedding times sqrt(hidden size), rounded (Gemma)
};

const ArchitectureTraits& TraitsOf(Architecture architecture);

}  // namespace rw
