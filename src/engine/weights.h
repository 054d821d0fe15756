// Where a model's weights come from: a checkpoint, or random numbers for measuring speed.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "model/config.h"
#include "runtime/device.h"

namespace rw {

class Weights {
 public:
  virtual ~Weights() = default;
  // The element type of a tensor that must have these dims.
  virtual Result<DType> TypeOf(const std::string& name, std::span<const int64_t> dims) const = 0;
  // The tensor itself, for a name and dims that TypeOf accepted. Lives as long as this object.
  virtual Result<TensorView> Get(const std::string& name, std::span<const int64_t> dims) const = 0;
  // The numbers of a small tensor of floats of any shape, such as a scale; empty: there is none.
  virtual Result<std::vector<float>> Numbers(const std::string& name) const;
  // Queues writing the tensor to memory of `device`, of the type of TypeOf and contiguous.
  virtual Status CopyTo(ComputeDevice& device, const std::string& name, const TensorView& to,
                        ThreadPool& pool) const;
};

// The tensors of a model folder, where they are mapped.
std::shared_ptr<const Weights> CheckpointWeights(Checkpoint checkpoint);

// Small random numbers in any shape asked for, of the dtype that the config names (bf16 if none).
// Equal names give equal numbers, on every device.
std::shared_ptr<const Weights> DummyWeights(const ModelConfig& config);

// The same tensors in the device's memory, brought there when they are first asked for; `done`
// hears the bytes so far. On the CPU they stay where they are. `pool` must live as long as new
// tensors are asked for.
std::shared_ptr<const Weights> WeightsOn(std::shared_ptr<ComputeDevice> device,
                                         std::shared_ptr<const Weights> weights, ThreadPool& pool,
                                         std::function<void(int64_t done)> done = {});

}  // namespace rw
