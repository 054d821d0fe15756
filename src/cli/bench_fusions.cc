// ropewalk bench fusions MODEL: what each fusion gains, on and off in one run.
#include <fmt/format.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bench.h"
#include "cli/in_turn.h"

namespace rw {
namespace {

struct Flags {
  ModelFlags model;
  BatchShape batch;
  int64_t num_iters = 9;
  bool json = false;
};

std::string_view Short(Knob knob) {
  const std::string_view name = Def(knob).name;
  return name.substr(name.rfind('.') + 1);
}

struct Measurement {
  std::string name;
  std::vector<double> prompt;  // gains
  std::vector<double> generate;
};

std::string Percent(const std::vector<double>& gains) {
  const Spread spread(gains);
  return fmt::format("{:+6.2f} % ({:+.2f} to {:+.2f})", spread.median, spread.low, spread.high);
}

void Print(const std::vector<Measurement>& measurements, const Flags& flags,
           const ModelRunner& model, int threads) {
  if (flags.json) {
    const auto show = [](const std::vector<double>& gains) {
      const Spread s(gains);
      return nlohmann::ordered_json{{"median", s.median}, {"min", s.low}, {"max", s.high}};
    };
    nlohmann::ordered_json report = {
        {"model", flags.model.model},           {"device", model.device().name()},
        {"dtype", Name(model.options().dtype)}, {"threads", threads},
        {"input_len", flags.batch.input_len},   {"output_len", flags.batch.output_len},
        {"batch_size", flags.batch.batch_size}, {"pairs", flags.num_iters}};
    for (const Measurement& m : measurements) {
      report["gain_percent"][m.name] = {{"prompt", show(m.prompt)}, {"generate", show(m.generate)}};
    }
    fmt::print("{}\n", report.dump(2));
    return;
  }
  fmt::print(
      "{} threads, batch {}, {} prompt + {} generated tokens; gain over the same plan "
      "without it,\nmedian of {} pairs run in turn (min to max)\n",
      threads, flags.batch.batch_size, flags.batch.input_len, flags.batch.output_len,
      flags.num_iters);
  fmt::print("{:<28}{:>32}{:>32}\n", "fusion", "prompt", "generate");
  for (const Measurement& m : measurements) {
    fmt::print("{:<28}{:>32}{:>32}\n", m.name, Percent(m.prompt), Percent(m.generate));
  }
}

Result<int> BenchFusions(const Flags& flags) {
  RW_ASSIGN(const ModelConfig config, LoadConfig(flags.model.model));
  RW_ASSIGN(const ModelOptions options, OptionsFor(flags.model, flags.batch, config));
  ThreadPool pool(flags.model.Threads());
  RW_ASSIGN(ModelRunner model, LoadModel(flags.model, config, options, pool));
  Engine on(model.With(options.plan, pool).value(), pool);
  std::vector<Measurement> measurements;
  const auto measure = [&](std::string name, const Options& without) -> Status {
    RW_ASSIGN(ModelRunner other, model.With(without, pool));
    Engine off(std::move(other), pool);
    RW_ASSIGN(const std::vector<TurnTimes> times,
              RunInTurn(std::array{&on, &off}, flags.batch, flags.num_iters));
    measurements.push_back({std::move(name), Gains(times[0].prompt, times[1].prompt),
                            Gains(times[0].generate, times[1].generate)});
    return {};
  };
  for (const FusionDef& fusion : Fusions()) {
    if (!model.plan().On(fusion.knob) || model.plan()[fusion.knob].layers.empty()) continue;
    Options without = options.plan;
    without.Set(fusion.knob, false);
    // What the larger fusion contains would take its place.
    for (const Knob part : fusion.contains) without.Set(part, false);
    RW_TRY(measure(std::string(Short(fusion.knob)), without));
  }
  Options none = options.plan;
  for (const FusionDef& fusion : Fusions()) none.Set(fusion.knob, false);
  RW_TRY(measure("all of them", none));
  RW_TRY(measure("nothing (noise)", options.plan));
  Print(measurements, flags, model, pool.threads());
  return 0;
}

}  // namespace

CommandBody AddFusionsBench(CLI::App& bench) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      bench.add_subcommand("fusions", "Gain of each fusion: on and off, in turn, in one run");
  command->footer("Example:\n  ropewalk bench fusions models/tales-5m");
  flags->model.AddModel(*command);
  flags->model.AddLoadFormat(*command);
  flags->model.AddQuantization(*command);
  flags->model.AddKernels(*command);
  flags->model.AddPlan(*command);
  flags->model.AddSizes(*command);
  flags->batch.AddFlags(*command);
  command->add_option("--num-iters", flags->num_iters, "Pairs of runs")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return BenchFusions(*flags); };
}

}  // namespace rw
