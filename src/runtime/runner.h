// Runs an Executable on the CPU.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/lazy_memory.h"
#include "base/status.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "exec/executable.h"
#include "kv/kv_cache.h"

namespace rw {

// What one run is given. Inputs in the order of Executable::inputs; their sizes give the symbols
// their numbers, which must agree and keep within the limits.
struct RunInputs {
  std::span<const TensorView> inputs;
  std::span<const KvLayerView> kv;
};

class Runner {
 public:
  // `weights` in the order of executable.weights; their memory must outlive the runner.
  static Result<Runner> Create(Executable executable, std::vector<TensorView> weights);

  // Runs all steps. Views of the outputs, valid until the next run.
  std::vector<TensorView> Run(const RunInputs& inputs, ThreadPool& pool);

  const Executable& executable() const { return executable_; }

 private:
  Runner(Executable executable, std::vector<TensorView> weights, LazyMemory arena)
      : executable_(std::move(executable)),
        weights_(std::move(weights)),
        arena_(std::move(arena)) {}

  void BindSymbols(const RunInputs& inputs);
  TensorView View(const Slot& slot, const RunInputs& inputs) const;

  Executable executable_;
  std::vector<TensorView> weights_;
  LazyMemory arena_;
  std::vector<int64_t> symbols_;  // of the current run
};

}  // namespace rw
