// ropewalk bench latency MODEL: how fast prompts are read and tokens are made.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "cli/command.h"
#include "cli/model_flags.h"
#include "engine/engine.h"
#include "ops/cost.h"

namespace rw {
namespace {

using Clock = std::chrono::steady_clock;

struct Flags {
  ModelFlags model;
  int64_t input_len = 128;
  int64_t output_len = 64;
  int64_t batch_size = 1;
  int64_t num_iters = 5;
  int64_t num_iters_warmup = 1;
  bool json = false;
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Run {
  double prompt_seconds = 0;    // until every sequence has its first token
  double generate_seconds = 0;  // from then to the end
  int64_t generated = 0;        // tokens in that time
};

Result<Run> RunOnce(Engine& engine, const Flags& flags, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::set<SequenceId> first;  // sequences still without a token
  for (int64_t i = 0; i < flags.batch_size; ++i) {
    Request request;
    for (int64_t t = 0; t < flags.input_len; ++t) {
      request.prompt.push_back(static_cast<int32_t>(
          random() % static_cast<uint64_t>(engine.model().config().vocab_size)));
    }
    request.sampling.max_tokens = flags.output_len;
    request.sampling.ignore_eos = true;
    RW_ASSIGN(const SequenceId id, engine.Submit(std::move(request)));
    first.insert(id);
  }
  Run run;
  const auto start = Clock::now();
  while (!engine.idle()) {
    const bool reading = !first.empty();
    for (const StepOutput& output : engine.Step()) {
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

// Median with the smallest and the largest.
struct Spread {
  double median = 0, low = 0, high = 0;
  explicit Spread(std::vector<double> values) {
    if (values.empty()) return;
    std::sort(values.begin(), values.end());
    low = values.front();
    high = values.back();
    const size_t half = values.size() / 2;
    median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  }
};

// Bytes that a decode step in the middle of the generation must move.
int64_t DecodeBytes(const ModelRunner& model, const Flags& flags) {
  const int64_t context = flags.batch_size * (flags.input_len + flags.output_len / 2);
  return BytesMoved(model.compiled().For(flags.batch_size).graph, {{"n", flags.batch_size},
                                                                   {"r", flags.batch_size},
                                                                   {"s", flags.batch_size},
                                                                   {"s1", flags.batch_size + 1},
                                                                   {"p", context / kPageSize + 1},
                                                                   {"m", 1},
                                                                   {"context", context}});
}

void Print(const Flags& flags, const ModelRunner& model, const std::vector<Run>& runs,
           int threads) {
  std::vector<double> prompt;
  std::vector<double> generate;
  std::vector<double> step;
  const auto prompt_tokens = static_cast<double>(flags.batch_size * flags.input_len);
  for (const Run& run : runs) {
    prompt.push_back(prompt_tokens / run.prompt_seconds);
    if (run.generated == 0) continue;
    generate.push_back(static_cast<double>(run.generated) / run.generate_seconds);
    step.push_back(run.generate_seconds * 1e3 * static_cast<double>(flags.batch_size) /
                   static_cast<double>(run.generated));
  }
  const Spread p(prompt);
  const Spread g(generate);
  const Spread ms(step);
  const double rate =
      ms.median > 0 ? static_cast<double>(DecodeBytes(model, flags)) / ms.median * 1e-6 : 0;
  if (flags.json) {
    const auto show = [](const Spread& s) {
      return nlohmann::ordered_json{{"median", s.median}, {"min", s.low}, {"max", s.high}};
    };
    const nlohmann::ordered_json report = {{"model", flags.model.model},
                                           {"dtype", flags.model.dtype},
                                           {"threads", threads},
                                           {"input_len", flags.input_len},
                                           {"output_len", flags.output_len},
                                           {"batch_size", flags.batch_size},
                                           {"iterations", runs.size()},
                                           {"prompt_tokens_per_s", show(p)},
                                           {"generated_tokens_per_s", show(g)},
                                           {"decode_step_ms", show(ms)},
                                           {"decode_gb_per_s", rate}};
    fmt::print("{}\n", report.dump(2));
    return;
  }
  fmt::print("{} threads, batch {}, {} prompt + {} generated tokens, median of {} (min-max)\n",
             threads, flags.batch_size, flags.input_len, flags.output_len, runs.size());
  fmt::print("prompt    {:10.1f} tokens/s  ({:.1f}-{:.1f})\n", p.median, p.low, p.high);
  if (generate.empty()) return;  // one token each: all of it was reading the prompt
  fmt::print("generate  {:10.1f} tokens/s  ({:.1f}-{:.1f})\n", g.median, g.low, g.high);
  fmt::print("step      {:10.3f} ms        ({:.3f}-{:.3f}), {:.1f} GB/s\n", ms.median, ms.low,
             ms.high, rate);
}

Result<int> BenchLatency(const Flags& flags) {
  RW_ASSIGN(ModelOptions options, flags.model.Model());
  const int64_t length = flags.input_len + flags.output_len;
  if (options.max_model_len == 0) options.max_model_len = length;
  if (length > options.max_model_len) {
    return Err("expected input-len + output-len of at most max-model-len {}, found {}",
               options.max_model_len, length);
  }
  options.max_sequences = flags.batch_size;
  ThreadPool pool(flags.model.Threads());
  RW_ASSIGN(ModelRunner model, LoadModel(flags.model, options, pool));
  Engine engine(std::move(model), pool);
  std::vector<Run> runs;
  for (int64_t i = 0; i < flags.num_iters_warmup + flags.num_iters; ++i) {
    RW_ASSIGN(const Run run, RunOnce(engine, flags, static_cast<uint64_t>(i)));
    if (i >= flags.num_iters_warmup) runs.push_back(run);
  }
  Print(flags, engine.model(), runs, pool.threads());
  return 0;
}

}  // namespace

CommandBody AddBenchCommand(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* bench = app.add_subcommand("bench", "Measure speed");
  bench->require_subcommand(1);
  CLI::App* latency =
      bench->add_subcommand("latency", "Speed of one batch: prompt, then generation");
  latency->footer(
      "Examples:\n  ropewalk bench latency models/tales-5m --input-len 128 --output-len 64\n"
      "  ropewalk bench latency FOLDER_WITH_CONFIG_JSON --load-format dummy --batch-size 4");
  flags->model.AddModel(*latency);
  flags->model.AddLoadFormat(*latency);
  flags->model.AddKernels(*latency);
  flags->model.AddPlan(*latency);
  flags->model.AddSizes(*latency);
  const auto positive = [&](const char* name, int64_t& value, const char* help) {
    latency->add_option(name, value, help)->check(CLI::PositiveNumber)->capture_default_str();
  };
  positive("--input-len", flags->input_len, "Prompt tokens of each sequence");
  positive("--output-len", flags->output_len, "Generated tokens of each sequence");
  positive("--batch-size", flags->batch_size, "Sequences");
  positive("--num-iters", flags->num_iters, "Measured runs");
  latency->add_option("--num-iters-warmup", flags->num_iters_warmup, "Runs before them")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  latency->add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return BenchLatency(*flags); };
}

}  // namespace rw
