// What tensors of a Hugging Face checkpoint are called in GGUF files.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/config.h"

namespace rw {

// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight"; nullopt for a name that GGUF
// has no counterpart of.
std::optional<std::string> GgufTensorName(Architecture architecture, std::string_view name);

}  // namespace rw
