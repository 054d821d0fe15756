// ModelConfig -> Graph: the whole model of one architecture as typed ops.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/dtype.h"
#include "base/status.h"
#include "ir/graph.h"
#include "model/config.h"

namespace rw {

// Says which element type the checkpoint stores a tensor in, or why it cannot be used: missing, or
// of another shape than the `dims` that the config asks for.
using WeightLookup =
    std::function<Result<DType>(const std::string& name, std::span<const int64_t> dims)>;

struct ImportOptions {
  DType dtype = DType::kF32;     // of activations
  DType kv_dtype = DType::kF32;  // of the KV cache
  // Adds outputs "hidden.0" (the embedding), "hidden.i" (layer i's output) and, after the last
  // layer, "hidden.L" after the final norm: what transformers calls hidden_states.
  bool hidden_states = false;
};

// The graph's inputs, in this order:
//   tokens i32[n], positions i32[n] (rows of the rope table), slots i32[n],
//   query_start i32[s1], lengths i32[s], block_table i32[s,p], logit_rows i32[r],
//   how f32[r,3] and pick i32[r,2] (the rows of op sample: how to take a token from those logits),
//   rope f32[m,e] (cos/sin rows), then one kv cache for each layer.
// Its outputs are logits T[r,vocab], sampled i32[r] (a token from each row of logits), then hidden
// states.
Result<Graph> ImportModel(const ModelConfig& config, const WeightLookup& weights,
                          const ImportOptions& options);

}  // namespace rw
