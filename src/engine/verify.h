// Holds a model against outputs recorded from transformers.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/model_runner.h"
#include "model/safetensors.h"

namespace rw {

// One tensor compared: the largest difference over the largest recorded magnitude.
struct Comparison {
  std::string name;  // "hidden.3", "logits"
  double error = 0;
  double allowed = 0;
  bool ok() const { return error <= allowed; }  // false for NaN
};

struct VerifyReport {
  std::vector<Comparison>
      tensors;  // in the order of the model; the first that departs is the cause
  DType rope_frequencies = DType::kF32;  // with which the recording was reproduced
  int64_t greedy_steps = 0;
  int64_t greedy_wrong = 0;  // another token although the recorded margin is above the tolerance
  int64_t greedy_close = 0;  // another token within the tolerance
  bool ok() const;
};

struct VerifyOptions {
  ModelOptions model;       // dtype, providers; sizes are set from the recording
  double tolerance = 2e-4;  // relative to the largest recorded magnitude
  // Precision of the recorded model's rope frequencies. None: float32, and if that departs bf16,
  // because a recording made after model.to(torch.bfloat16) has them rounded; the report says
  // which.
  std::optional<DType> rope_frequencies;
};

// `weights` lie on options.model.device. `golden` holds input_ids, hidden.*, logits, logits_bf16
// and greedy_* as tests/golden/README.md explains. In float32 everything is held to the tolerance.
// In 16 bits the bound is the recording's own: the distance of transformers' bf16 logits from its
// float32 ones, twice that allowed; hidden states are then not judged.
Result<VerifyReport> VerifyModel(const ModelConfig& config, std::shared_ptr<const Weights> weights,
                                 const SafetensorsFile& golden, const VerifyOptions& options,
                                 ThreadPool& pool);

}  // namespace rw
