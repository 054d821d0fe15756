// Where a model's weights come from: a checkpoint, or random numbers for measuring speed.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "base/tensor.h"
#include "model/checkpoint.h"
#include "model/config.h"

namespace rw {

class Weights {
 public:
  virtual ~Weights() = default;
  // The element type of a tensor that must have these dims.
  virtual Result<DType> TypeOf(const std::string& name, std::span<const int64_t> dims) const = 0;
  // The tensor itself, for a name and dims that TypeOf accepted. Lives as long as this object.
  virtual Result<TensorView> Get(const std::string& name, std::span<const int64_t> dims) const = 0;
};

// The tensors of a model folder, where they are mapped.
std::shared_ptr<const Weights> CheckpointWeights(Checkpoint checkpoint);

// Small random numbers in any shape asked for, of the dtype that the config names (bf16 if none).
// Equal names give equal numbers.
std::shared_ptr<const Weights> DummyWeights(const ModelConfig& config);

}  // namespace rw
