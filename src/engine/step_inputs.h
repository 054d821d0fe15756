// The numbers of a step, from a Batch to the device's memory, in places that stay the same from
// step to step so that recorded work finds them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "engine/batch.h"
#include "runtime/device.h"

namespace rw {

// How large a step is, padding included: padding tokens have slot -1, padding sequences no tokens,
// padding rows of logits are greedy.
struct StepShape {
  int64_t tokens;
  int64_t sequences;
  int64_t rows;  // that get logits
  bool operator==(const StepShape&) const = default;
  auto operator<=>(const StepShape&) const = default;
};
StepShape ShapeOf(const Batch& batch);

class StepInputs {
 public:
  // `limits`: the largest shape. `max_model_len`: the longest sequence.
  static Result<StepInputs> Create(std::shared_ptr<ComputeDevice> device, const StepShape& limits,
                                   int64_t max_model_len);

  // Lays the batch out in `shape` and queues its way to the device. The step before must be done.
  void Put(const Batch& batch, const StepShape& shape);

  // tokens, positions, slots, query_start, lengths, block_table, logit_rows, how, pick: the first
  // inputs of an imported model, in its order, in the device's memory.
  std::vector<TensorView> Views(const StepShape& shape) const;

 private:
  void PutTable(const Batch& batch);

  std::shared_ptr<ComputeDevice> device_;
  StepShape limits_{};
  int64_t pages_per_row_ = 0;
  // The block table first, then the rest end to end.
  DeviceMemory host_;
  DeviceMemory memory_;
};

}  // namespace rw
