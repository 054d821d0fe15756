#include "engine/captured_steps.h"

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace rw {
namespace {

enum class Form : uint8_t { kFull, kPiecewise };

// What a mode records for steps of one token each, and for all others.
struct ModeRow {
  CudagraphMode mode;
  std::optional<Form> decode;
  std::optional<Form> mixed;
};
constexpr ModeRow kModes[] = {
    {CudagraphMode::kNone, std::nullopt, std::nullopt},
    {CudagraphMode::kPiecewise, Form::kPiecewise, Form::kPiecewise},
    {CudagraphMode::kFull, Form::kFull, Form::kFull},
    {CudagraphMode::kFullDecodeOnly, Form::kFull, std::nullopt},
    {CudagraphMode::kFullAndPiecewise, Form::kFull, Form::kPiecewise},
};

const ModeRow& RowOf(CudagraphMode mode) {
  const auto row = std::ranges::find(kModes, mode, &ModeRow::mode);
  RW_CHECK(row != std::end(kModes));
  return *row;
}

// What is recorded or left out one by one.
std::vector<ExecPiece> PiecesOf(const Executable& executable, Form form) {
  if (form == Form::kPiecewise) return executable.pieces;
  return {{0, static_cast<int>(executable.steps.size()), false, 0}};
}

Result<CapturedStep> RecordStep(ComputeDevice& device, const CaptureRequest& request,
                                const StepShape& shape, const StepBounds& bounds, Form form,
                                ThreadPool& pool) {
  const Runner& runner = request.runner(shape.tokens);
  CapturedStep step{shape, &runner, request.frame(runner, shape), {}};
  device.SetBounds(bounds);
  // Once as it is: what is loaded or chosen at a kernel's first call is not part of a recording.
  runner.Queue(step.frame, 0, static_cast<int>(runner.executable().steps.size()), pool);
  RW_TRY(device.Finish());
  for (const ExecPiece& piece : PiecesOf(runner.executable(), form)) {
    if (piece.first == piece.last) continue;
    step.parts.push_back({nullptr, piece.first, piece.last});
    if (piece.splitting) continue;
    auto recording =
        device.Record([&] { runner.Queue(step.frame, piece.first, piece.last, pool); });
    if (!recording) {
      return Err("{}; steps of {} tokens; --enforce-eager or -cc.cudagraph_mode=NONE runs without",
                 recording.error().message, shape.tokens);
    }
    step.parts.back().recording = *std::move(recording);
  }
  return step;
}

}  // namespace

StepBounds BoundsOf(const Batch& batch) {
  StepBounds bounds{1, 1};
  for (size_t s = 0; s < batch.lengths.size(); ++s) {
    bounds.max_query =
        std::max<int64_t>(bounds.max_query, batch.query_start[s + 1] - batch.query_start[s]);
    bounds.max_length = std::max<int64_t>(bounds.max_length, batch.lengths[s]);
  }
  return bounds;
}

Result<CapturedSteps> CapturedSteps::Record(ComputeDevice& device, const CaptureRequest& request,
                                            ThreadPool& pool, const Progress& progress) {
  const ModeRow& mode = RowOf(request.mode);
  CapturedSteps steps;
  std::vector<int64_t> sizes = request.sizes;
  std::ranges::sort(sizes, std::greater());
  const size_t total = sizes.size() * (mode.decode.has_value() + mode.mixed.has_value());
  const auto record = [&](std::optional<Form> form, bool decodes,
                          std::vector<CapturedStep>& to) -> Status {
    if (!form) return {};
    for (const int64_t size : sizes) {
      const int64_t sequences = std::min(size, request.max_sequences);
      if (decodes && sequences < size) continue;  // no step has so many sequences
      RW_ASSIGN(CapturedStep step,
                RecordStep(device, request, {size, sequences, sequences},
                           {decodes ? 1 : size, request.max_model_len}, *form, pool));
      to.push_back(std::move(step));
      if (progress) progress(steps.size(), total);
    }
    std::ranges::reverse(to);
    return {};
  };
  RW_TRY(record(mode.mixed, false, steps.mixed_));
  RW_TRY(record(mode.decode, true, steps.decode_));
  return steps;
}

const CapturedStep* CapturedSteps::Find(const StepShape& shape, const StepBounds& bounds) const {
  for (const std::vector<CapturedStep>* steps : {&decode_, &mixed_}) {
    if (steps == &decode_ && !bounds.decodes()) continue;
    for (const CapturedStep& step : *steps) {
      if (step.shape.tokens >= shape.tokens && step.shape.sequences >= shape.sequences &&
          step.shape.rows >= shape.rows) {
        return &step;
      }
    }
  }
  return nullptr;
}

void CapturedSteps::Queue(ComputeDevice& device, const CapturedStep& step, const StepBounds& bounds,
                          ThreadPool& pool) {
  device.SetBounds(bounds);
  for (const CapturedStep::Part& part : step.parts) {
    if (part.recording != nullptr) {
      device.QueuePlay(*part.recording);
    } else {
      step.runner->Queue(step.frame, part.first, part.last, pool);
    }
  }
}

}  // namespace rw
