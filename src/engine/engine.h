// Requests in, tokens out: continuous batching over one model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/model_runner.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"

namespace rw {

struct Request {
  std::vector<int32_t> prompt;
  SamplingParams sampling;
};

// A token that a step gave a sequence, or the end of one without a token (kError).
struct StepOutput {
  SequenceId id;
  Sampled sampled;
  FinishReason finished = FinishReason::kNone;
};

class Engine {
 public:
  // `pool` must outlive the engine.
  Engine(ModelRunner model, ThreadPool& pool);

  // Takes a request in, or says what of it cannot be met: an empty prompt, an id outside the
  // vocabulary, a parameter out of range, a prompt that is too long for the model or the cache.
  Result<SequenceId> Submit(Request request);

  // Runs one step of the model and returns what came of it. Nothing if idle. An error if the device
  // failed: the engine is of no more use then.
  Result<std::vector<StepOutput>> Step();

  // Ends a sequence early; its pages are free at once. Unknown ids are ignored.
  void Cancel(SequenceId id) { scheduler_.Remove(id); }

  bool idle() const { return scheduler_.idle(); }
  const ModelRunner& model() const { return model_; }
  const Scheduler& scheduler() const { return scheduler_; }

 private:
  Result<Sampled> SampleRow(Sampler& sampler, const StepOutputs& outputs, int64_t row);
  StepOutput Advance(Sequence& sequence, Sampled sampled);
  FinishReason FinishOf(const Sequence& sequence, const Sampled& sampled) const;

  ModelRunner model_;
  ThreadPool& pool_;
  Scheduler scheduler_;
  SequenceId next_id_ = 0;
};

}  // namespace rw
