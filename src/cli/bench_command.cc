// ropewalk bench ...: measuring speed, and how well a model foresees a text.
#include <algorithm>
#include <memory>
#include <random>
#include <set>

#include "cli/bench.h"

namespace rw {

Spread::Spread(std::vector<double> values) {
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  low = values.front();
  high = values.back();
  const size_t half = values.size() / 2;
  median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

void BatchShape::AddFlags(CLI::App& command) {
  const auto positive = [&](const char* name, int64_t& value, const char* help) {
    command.add_option(name, value, help)->check(CLI::PositiveNumber)->capture_default_str();
  };
  positive("--input-len", input_len, "Prompt tokens of each sequence");
  positive("--output-len", output_len, "Generated tokens of each sequence");
  positive("--batch-size", batch_size, "Sequences");
}

Result<ModelOptions> OptionsFor(const ModelFlags& flags, const BatchShape& shape,
                                const ModelConfig& config) {
  RW_ASSIGN(ModelOptions options, flags.ModelOnDevice(config.dtype));
  const int64_t length = shape.input_len + shape.output_len;
  if (options.max_model_len == 0) options.max_model_len = length;
  if (length > options.max_model_len) {
    return Err("expected input-len + output-len of at most max-model-len {}, found {}",
               options.max_model_len, length);
  }
  options.max_sequences = shape.batch_size;
  return options;
}

Result<BatchRun> RunBatch(Engine& engine, const BatchShape& shape, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::set<SequenceId> first;  // sequences still without a token
  for (int64_t i = 0; i < shape.batch_size; ++i) {
    Request request;
    for (int64_t t = 0; t < shape.input_len; ++t) {
      request.prompt.push_back(static_cast<int32_t>(
          random() % static_cast<uint64_t>(engine.model().config().vocab_size)));
    }
    request.sampling.max_tokens = shape.output_len;
    request.sampling.ignore_eos = true;
    RW_ASSIGN(const SequenceId id, engine.Submit(std::move(request)));
    first.insert(id);
  }
  BatchRun run;
  const auto start = BenchClock::now();
  while (!engine.idle()) {
    const bool reading = !first.empty();
    RW_ASSIGN(const std::vector<StepOutput> outputs, engine.Step());
    for (const StepOutput& output : outputs) {
      if (output.finished == FinishReason::kError) {
        return Err("the model gave no finite logits");
      }
      first.erase(output.id);
      if (!reading) ++run.generated;
    }
    if (reading && first.empty()) run.prompt_seconds = SecondsSince(start);
  }
  run.generate_seconds = SecondsSince(start) - run.prompt_seconds;
  return run;
}

CommandBody AddBenchCommand(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Measure speed and perplexity");
  bench->require_subcommand(1);
  auto bodies = std::make_shared<std::vector<CommandBody>>();
  for (const auto add :
       {AddLatencyBench, AddStartupBench, AddFusionsBench, AddKernelsBench, AddPerplexityBench}) {
    bodies->push_back(add(*bench));
  }
  return [bench, bodies]() -> Result<int> {
    const std::vector<CLI::App*> commands = bench->get_subcommands({});
    for (size_t i = 0; i < bodies->size(); ++i) {
      if (commands[i]->parsed()) return (*bodies)[i]();
    }
    return Err("expected a subcommand");
  };
}

}  // namespace rw
