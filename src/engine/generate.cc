#include "engine/generate.h"

#include <chrono>

#include "base/check.h"
#include "engine/text_stream.h"

namespace rw {

double Generation::prompt_rate() const {
  return prompt_seconds > 0 ? static_cast<double>(prompt_tokens) / prompt_seconds : 0;
}

double Generation::generate_rate() const {
  if (tokens.size() < 2 || generate_seconds <= 0) return 0;
  return static_cast<double>(tokens.size() - 1) / generate_seconds;
}

Result<Generation> Generate(Engine& engine, const Tokenizer& tokenizer, Request request,
                            const std::function<void(std::string_view)>& show) {
  using Clock = std::chrono::steady_clock;
  RW_CHECK(engine.idle());
  TextStream stream(tokenizer, request.sampling.stop);
  Generation generation;
  generation.prompt_tokens = static_cast<int64_t>(request.prompt.size());
  const auto append = [&](const std::string& text) {
    generation.text += text;
    if (show && !text.empty()) show(text);
  };
  const auto start = Clock::now();
  auto first = start;
  RW_ASSIGN(const SequenceId id, engine.Submit(std::move(request)));
  while (!engine.idle()) {
    RW_ASSIGN(const std::vector<StepOutput> outputs, engine.Step());
    for (const StepOutput& output : outputs) {
      generation.finished = output.finished;
      if (output.sampled.token < 0) continue;
      if (generation.tokens.empty()) first = Clock::now();
      generation.tokens.push_back(output.sampled);
      append(stream.Push(output.sampled.token));
      if (stream.stopped()) {
        generation.finished = FinishReason::kStop;
        engine.Cancel(id);
      }
    }
  }
  append(stream.Finish());
  generation.prompt_seconds = std::chrono::duration<double>(first - start).count();
  generation.generate_seconds = std::chrono::duration<double>(Clock::now() - first).count();
  return generation;
}

}  // namespace rw
