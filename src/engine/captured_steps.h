// Steps recorded once and played again: vLLM's CUDA-graph modes.
//
// A recorded step serves every batch that fits its shape, the rest being padding. A step of the
// sizes in between is played by the next larger one.
//   full       the whole step is one recording
//   piecewise  pieces between splitting ops are recordings; the splitting ops run in between, by
//              the true sizes of the batch
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/status.h"
#include "engine/step_inputs.h"
#include "plan/plan.h"
#include "runtime/runner.h"

namespace rw {

StepBounds BoundsOf(const Batch& batch);

struct CaptureRequest {
  CudagraphMode mode;
  std::vector<int64_t> sizes;  // of steps in tokens
  int64_t max_sequences;
  int64_t max_model_len;
  std::function<const Runner&(int64_t tokens)> runner;
  std::function<Runner::Frame(const Runner& runner, const StepShape& shape)> frame;
};

// One recorded step.
struct CapturedStep {
  struct Part {
    std::unique_ptr<Recording> recording;  // nullptr: steps [first, last) run as they are
    int first, last;
  };
  StepShape shape;
  const Runner* runner;
  Runner::Frame frame;
  std::vector<Part> parts;
};

class CapturedSteps {
 public:
  using Progress = std::function<void(uint64_t done, uint64_t total)>;

  // Records all that the mode asks for, the largest first. The inputs' memory must hold a step of
  // padding alone.
  static Result<CapturedSteps> Record(ComputeDevice& device, const CaptureRequest& request,
                                      ThreadPool& pool, const Progress& progress);

  // The smallest that the batch fits, nullptr if there is none.
  const CapturedStep* Find(const StepShape& shape, const StepBounds& bounds) const;
  // Queues it; the inputs are in place.
  static void Queue(ComputeDevice& device, const CapturedStep& step, const StepBounds& bounds,
                    ThreadPool& pool);

  size_t size() const { return decode_.size() + mixed_.size(); }

 private:
  // By ascending size.
  std::vector<CapturedStep> decode_;  // one token of each sequence
  std::vector<CapturedStep> mixed_;   // anything
};

}  // namespace rw
