// A GGUF file's metadata as a ModelConfig.
#pragma once

#include "base/status.h"
#include "model/config.h"
#include "model/gguf.h"

namespace rw {

// The metadata is written out as the config.json that it stands for and read as one, so that both
// go through the same checks. Read: what llama.cpp's converter writes for llama (Mistral's models
// too), qwen2, qwen3, phi3, gemma2, olmo2 and granite.
//
// What is no key of config.json: biases are there if their tensors are; Gemma's norm weights have 1
// added (ModelConfig::norms_hold_one); rope_freqs.weight, the divisors of Llama 3's frequencies,
// are read as longrope factors that are the same for all lengths: the formula is the same division.
// It rounds in another place than transformers' for llama3, so frequencies differ by up to one unit
// in the last place.
Result<ModelConfig> GgufModelConfig(const GgufModel& model);

// Whether the converter reorders the rows of q and k in each head, so that rope rotates neighbours
// instead of halves: row 2 j + t of a head was row t d/2 + j.
bool GgufSwapsRopeRows(Architecture architecture);

}  // namespace rw
