// ropewalk bench latency MODEL: how fast prompts are read and tokens are made.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/bench.h"
#include "cli/bench_ab.h"
#include "ops/cost.h"

namespace rw {
namespace {

constexpr int64_t kRuns = 5;
constexpr int64_t kAbRounds = 10;

struct Flags {
  ModelFlags model;
  BatchShape batch;
  std::string ab;
  std::optional<int64_t> num_iters;
  int64_t num_iters_warmup = 1;
  bool json = false;
};

// Bytes that a decode step in the middle of the generation must move.
int64_t DecodeBytes(const ModelRunner& model, const Flags& flags) {
  const int64_t context =
      flags.batch.batch_size * (flags.batch.input_len + flags.batch.output_len / 2);
  return BytesMoved(model.compiled().For(flags.batch.batch_size).graph,
                    {{"n", flags.batch.batch_size},
                     {"r", flags.batch.batch_size},
                     {"s", flags.batch.batch_size},
                     {"s1", flags.batch.batch_size + 1},
                     {"p", context / kPageSize + 1},
                     {"m", 1},
                     {"context", context}});
}

void Print(const Flags& flags, const ModelRunner& model, const std::vector<BatchRun>& runs,
           int threads) {
  std::vector<double> prompt;
  std::vector<double> generate;
  std::vector<double> step;
  const auto prompt_tokens = static_cast<double>(flags.batch.batch_size * flags.batch.input_len);
  for (const BatchRun& run : runs) {
    prompt.push_back(prompt_tokens / run.prompt_seconds);
    if (run.generated == 0) continue;
    generate.push_back(static_cast<double>(run.generated) / run.generate_seconds);
    step.push_back(run.generate_seconds * 1e3 * static_cast<double>(flags.batch.batch_size) /
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
    const nlohmann::ordered_json report = {
        {"model", flags.model.model},           {"device", model.device().name()},
        {"dtype", Name(model.options().dtype)}, {"threads", threads},
        {"input_len", flags.batch.input_len},   {"output_len", flags.batch.output_len},
        {"batch_size", flags.batch.batch_size}, {"iterations", runs.size()},
        {"prompt_tokens_per_s", show(p)},       {"generated_tokens_per_s", show(g)},
        {"decode_step_ms", show(ms)},           {"decode_gb_per_s", rate}};
    fmt::print("{}\n", report.dump(2));
    return;
  }
  fmt::print("{} threads, batch {}, {} prompt + {} generated tokens, median of {} (min-max)\n",
             threads, flags.batch.batch_size, flags.batch.input_len, flags.batch.output_len,
             runs.size());
  fmt::print("prompt    {:10.1f} tokens/s  ({:.1f}-{:.1f})\n", p.median, p.low, p.high);
  if (generate.empty()) return;  // one token each: all of it was reading the prompt
  fmt::print("generate  {:10.1f} tokens/s  ({:.1f}-{:.1f})\n", g.median, g.low, g.high);
  fmt::print("step      {:10.3f} ms        ({:.3f}-{:.3f}), {:.1f} GB/s\n", ms.median, ms.low,
             ms.high, rate);
}

Result<int> BenchLatency(const Flags& flags) {
  if (!flags.ab.empty()) {
    return BenchAb(
        flags.model, flags.batch,
        {flags.ab, flags.num_iters.value_or(kAbRounds), flags.num_iters_warmup, flags.json});
  }
  RW_ASSIGN(const ModelConfig config, LoadConfig(flags.model.model));
  RW_ASSIGN(const ModelOptions options, OptionsFor(flags.model, flags.batch, config));
  ThreadPool pool(flags.model.Threads());
  RW_ASSIGN(ModelRunner model, LoadModel(flags.model, config, options, pool));
  Engine engine(std::move(model), pool);
  std::vector<BatchRun> runs;
  const int64_t iterations = flags.num_iters_warmup + flags.num_iters.value_or(kRuns);
  for (int64_t i = 0; i < iterations; ++i) {
    RW_ASSIGN(const BatchRun run, RunBatch(engine, flags.batch, static_cast<uint64_t>(i)));
    if (i >= flags.num_iters_warmup) runs.push_back(run);
  }
  Print(flags, engine.model(), runs, pool.threads());
  return 0;
}

}  // namespace

CommandBody AddLatencyBench(CLI::App& bench) {
  auto flags = std::make_shared<Flags>();
  CLI::App* latency =
      bench.add_subcommand("latency", "Speed of one batch: prompt, then generation");
  latency->footer(
      "Examples:\n  ropewalk bench latency models/tales-5m --input-len 128 --output-len 64\n"
      "  ropewalk bench latency FOLDER_WITH_CONFIG_JSON --load-format dummy --batch-size 4\n"
      "  ropewalk bench latency models/tales-5m --ab merge_qkv\n"
      "  ropewalk bench latency models/tales-5m --device cuda --ab cudagraph_mode=NONE,FULL");
  flags->model.AddModel(*latency);
  flags->model.AddLoadFormat(*latency);
  flags->model.AddQuantization(*latency);
  flags->model.AddKernels(*latency);
  flags->model.AddPlan(*latency);
  flags->model.AddSizes(*latency);
  flags->batch.AddFlags(*latency);
  latency
      ->add_option("--ab", flags->ab,
                   "Compare two values of a knob in one run: KNOB for on and off, KNOB=A,B for two "
                   "others")
      ->type_name("KNOB[=A,B]");
  latency
      ->add_option(
          "--num-iters", flags->num_iters,
          fmt::format("Measured runs ({}); with --ab: rounds of two runs with each value ({})",
                      kRuns, kAbRounds))
      ->check(CLI::PositiveNumber);
  latency->add_option("--num-iters-warmup", flags->num_iters_warmup, "Runs before them")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  latency
      ->add_option_function<std::string>(
          "--format", [flags](const std::string& format) { flags->json = format == "json"; },
          "text, or json: one object")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");
  latency->add_flag("--json", flags->json, "The same as --format json");
  return [flags] { return BenchLatency(*flags); };
}

}  // namespace rw
