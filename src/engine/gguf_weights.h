// The tensors of a GGUF model as weights, by their Hugging Face names.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/weights.h"
#include "model/config.h"
#include "model/gguf.h"

namespace rw {

// Quantized tensors are packed anew (base/packed.h) and hold exactly the same numbers; F32, F16 and
// BF16 ones stay where they are mapped. Those of q and k of Llama's kin are put into the order of
// Hugging Face's rows (model/gguf_config.h), so that the graph, and with it every bit of its
// results, is that of the same model from safetensors. So q and k are always copied.
//
// Without Load, a tensor is packed on one thread when it is first asked for: for commands that only
// look at types.
std::shared_ptr<const Weights> GgufWeights(GgufModel model, const ModelConfig& config);

// The same, with all that can be used in memory already: packed by the pool's threads, and the rest
// read from disk. `progress` hears the file's bytes done out of all, from any thread, one call at a
// time. An error if a file became shorter since it was opened or cannot be read.
Result<std::shared_ptr<const Weights>> LoadGgufWeights(
    GgufModel model, const ModelConfig& config, ThreadPool& pool,
    const std::function<void(uint64_t done, uint64_t total)>& progress = {});

// The weights of a model on disk, a folder or a GGUF file, by what it is; of a file as GgufWeights.
Result<std::shared_ptr<const Weights>> OpenWeights(const std::string& model,
                                                   const ModelConfig& config);

}  // namespace rw
