// Runs an Executable on a device.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "exec/executable.h"
#include "kv/kv_cache.h"
#include "runtime/device.h"

namespace rw {

// What one run is given, in the device's memory. Inputs in the order of Executable::inputs; their
// sizes give the symbols their numbers, which must agree and keep within the limits.
struct RunInputs {
  std::vector<TensorView> inputs;
  std::span<const KvLayerView> kv;
};

class Runner {
 public:
  // `weights` in the order of executable.weights, in the device's memory, which must outlive the
  // runner. The arena has at least executable.arena_bytes; runners that never run at the same time
  // may share one.
  Runner(std::shared_ptr<ComputeDevice> device, Executable executable,
         std::vector<TensorView> weights, DeviceMemory arena);

  // Inputs with the symbols' numbers.
  struct Frame {
    RunInputs inputs;
    std::vector<int64_t> symbols;
  };
  Frame Bind(RunInputs inputs) const;

  // Queues steps [first, last).
  void Queue(const Frame& frame, int first, int last, ThreadPool& pool) const;
  // Where the outputs lie when all steps are done, until the next run.
  std::vector<TensorView> Outputs(const Frame& frame) const;

  const Executable& executable() const { return executable_; }

 private:
  TensorView View(const Slot& slot, const Frame& frame) const;

  std::shared_ptr<ComputeDevice> device_;
  Executable executable_;
  std::vector<TensorView> weights_;
  DeviceMemory arena_;
};

}  // namespace rw
