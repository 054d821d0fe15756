// Weights rounded to few bits when they are loaded.
#pragma once

#include <functional>
#include <memory>

#include "base/thread_pool.h"
#include "engine/weights.h"
#include "model/config.h"
#include "quant/scheme.h"

namespace rw {

// `weights` with those of products in the types of `scheme`. Norms, biases, and an embedding that
// is not the head as well stay as they are. A tensor is rounded when it is first asked for, on all
// threads of `pool`, which must live that long; `done` hears the bytes made so far. Weights that
// are packed already are an error.
std::shared_ptr<const Weights> QuantizedWeights(std::shared_ptr<const Weights> weights,
                                                const ModelConfig& config,
                                                const QuantScheme& scheme, ThreadPool& pool,
                                                std::function<void(int64_t done)> done = {});

}  // namespace rw
