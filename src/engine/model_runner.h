// A loaded model that can be stepped: weights, rope table, KV cache and the compiled graph on a
// device.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "compile/compile.h"
#include "engine/batch.h"
#include "engine/captured_steps.h"
#include "engine/step_inputs.h"
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
  int64_t kv_tokens = 0;           // room in the KV cache; 0: max_sequences full sequences, but at
                                   // most memory_share of the memory that is free
  double memory_share = 0.5;
  std::vector<std::string_view> providers;  // of kernels, best first; none: the table's order
  Options plan;                             // what the user asked of the plan
  DType rope_frequencies = DType::kF32;     // see BuildRopeTable
  bool hidden_states = false;               // Forward also returns hidden.0 .. hidden.L
  KvLayout kv_layout = KvLayout::kHnd;
  std::shared_ptr<ComputeDevice> device = CpuDevice();
  Evidence evidence = BuiltinEvidence();  // on which the plan may rest
};

// What is asked of the compiler for such a model.
CompileRequest RequestFor(const ModelConfig& config, const ModelOptions& options);

// What a step gives; valid until the next.
struct StepOutputs {
  // What the batch's rules take from each row asked for; -1: no finite logit.
  std::span<const int32_t> tokens;
  // In the device's memory, of the activations' dtype: the logits [rows asked for, vocab], and the
  // hidden states if they were asked for. ToHost brings them.
  TensorView logits;
  std::vector<TensorView> hidden;
};

// Hears of the phases of loading and how far they are.
using LoadProgress = std::function<void(std::string_view phase, uint64_t done, uint64_t total)>;

class ModelRunner {
 public:
  // `weights` lie in the memory of options.device (WeightsOn). Captures what the plan says.
  static Result<ModelRunner> Create(ModelConfig config, std::shared_ptr<const Weights> weights,
                                    const ModelOptions& options, ThreadPool& pool,
                                    const LoadProgress& progress = {});

  // The same model and weights under another plan, with a KV cache of its own.
  Result<ModelRunner> With(const Options& plan, ThreadPool& pool) const;

  // Runs one step. An error if the device failed.
  Result<StepOutputs> Forward(const Batch& batch, ThreadPool& pool);

  // A contiguous copy in the host's memory, or the same view where the device is the CPU. Valid
  // until the next call.
  Result<TensorView> ToHost(const TensorView& view);
  // The whole KV cache, likewise.
  Result<std::span<const std::byte>> KvToHost();

  const ModelConfig& config() const { return config_; }
  const ModelOptions& options() const { return options_; }  // with zeros resolved
  const Plan& plan() const { return compiled_.plan; }
  const Compiled& compiled() const { return compiled_; }
  const RopeTable& rope() const { return rope_; }
  ComputeDevice& device() const { return *options_.device; }
  int64_t kv_pages() const { return kv_pages_; }
  int64_t kv_bytes() const { return kv_memory_.size; }
  size_t captured_steps() const { return captured_.size(); }

 private:
  ModelRunner(ModelConfig config, ModelOptions options, std::shared_ptr<const Weights> weights,
              Compiled compiled, RopeTable rope)
      : config_(std::move(config)),
        options_(std::move(options)),
        weights_(std::move(weights)),
        compiled_(std::move(compiled)),
        rope_(std::move(rope)) {}
  Status MakeRunners(const LoadProgress& progress);
  Status ReserveInputs();
  Status ReserveKv();
  Status SetKvScales(ThreadPool& pool);
  Status Capture(ThreadPool& pool, const LoadProgress& progress);
  void FillRope(int64_t positions, ThreadPool& pool);
  const Runner& RunnerFor(int64_t tokens) const { return runners_[compiled_.IndexFor(tokens)]; }
  Runner::Frame FrameOf(const Runner& runner, const StepShape& shape) const;

  ModelConfig config_;
  ModelOptions options_;
  std::shared_ptr<const Weights> weights_;
  Compiled compiled_;            // its executables have moved to the runners
  std::vector<Runner> runners_;  // one for each program; never moves once steps are captured
  RopeTable rope_;
  DeviceMemory rope_memory_;  // the device's copy of the table; none on the CPU
  int64_t rope_filled_ = 0;   // positions that are there
  StepInputs inputs_;
  DeviceMemory tokens_;  // of the host: what was sampled
  DeviceMemory kv_memory_, kv_scales_;
  std::vector<KvLayerView> kv_;
  int64_t kv_pages_ = 0;
  CapturedSteps captured_;
  std::vector<std::byte> fetched_;  // what ToHost brought last
};

}  // namespace rw
