// Scales of an fp8 KV cache, as checkpoints bring them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "engine/weights.h"

namespace rw {

// [layers][heads] each, or empty if the checkpoint has none: then every scale is 1. A number in the
// cache is the key or value over its scale.
struct KvScales {
  std::vector<float> k, v;
};

// Reads one scale for a layer or one for each of its kv heads, under the names that quantization
// tools give them. A layer without has scales of 1. An error names a tensor of another size, a
// scale that is no positive number, or one of k and v without the other.
Result<KvScales> ReadKvScales(const Weights& weights, int64_t layers, int64_t heads);

}  // namespace rw
