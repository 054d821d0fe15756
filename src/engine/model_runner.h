// A loaded model that can be stepped: weights, rope table, KV cache and the compiled graph.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "compile/compile.h"
#include "engine/batch.h"
#include "engine/weights.h"
#include "ir/graph.h"
#include "model/config.h"
#include "model/rope.h"
#include "runtime/runner.h"

namespace rw {

struct ModelOptions {
  DType dtype = DType::kF32;       // of activations
  DType kv_dtype = DType::kF32;    // of the KV cache
  int64_t max_model_len = 0;       // longest sequence; 0: the model's own limit
  int64_t max_batch_tokens = 512;  // most tokens of one step
  int64_t max_sequences = 64;      // most sequences of one step
  int64_t kv_tokens = 0;           // room in the KV cache; 0: max_sequences full sequences, but
                                   // at most half of the memory that is available
  std::vector<std::string_view> providers = {"simd", "reference"};  // of kernels, best first
  Options plan;                          // what the user asked of the plan
  DType rope_frequencies = DType::kF32;  // see BuildRopeTable
  bool hidden_states = false;            // Forward also returns hidden.0 .. hidden.L
};

// What is asked of the compiler for such a model on this machine.
CompileRequest RequestFor(const ModelConfig& config, const ModelOptions& options);

class ModelRunner {
 public:
  static Result<ModelRunner> Create(ModelConfig config, std::shared_ptr<const Weights> weights,
                                    const ModelOptions& options);

  // The same model and weights under another plan, with a KV cache of its own.
  Result<ModelRunner> With(const Options& plan) const;

  // Runs one step. The logits [rows asked for, vocab], then the hidden states if they were asked
  // for; all in the activations' dtype, valid until the next step.
  std::vector<TensorView> Forward(const Batch& batch, ThreadPool& pool);

  const ModelConfig& config() const { return config_; }
  const ModelOptions& options() const { return options_; }  // with zeros resolved
  const Plan& plan() const { return compiled_.plan; }
  const Compiled& compiled() const { return compiled_; }
  const RopeTable& rope() const { return rope_; }
  int64_t kv_pages() const { return kv_pages_; }
  int64_t kv_bytes() const { return kv_memory_.size(); }
  const std::vector<KvLayerView>& kv() const { return kv_; }

 private:
  ModelRunner(ModelConfig config, ModelOptions options, std::shared_ptr<const Weights> weights,
              Compiled compiled, std::vector<Runner> runners, RopeTable rope);
  Status ReserveKv();

  ModelConfig config_;
  ModelOptions options_;
  std::shared_ptr<const Weights> weights_;
  Compiled compiled_;            // its executables have moved to the runners
  std::vector<Runner> runners_;  // one for each program
  RopeTable rope_;
  LazyMemory kv_memory_;
  std::vector<KvLayerView> kv_;
  int64_t kv_pages_ = 0;
};

// Available memory in bytes, as the kernel estimates it; 0 if it does not say.
int64_t AvailableMemory();

}  // namespace rw
