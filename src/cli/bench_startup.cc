// ropewalk bench startup MODEL: how long it takes to plan, rewrite, cut and lower a model's graph.
#include <fmt/format.h>

#include <array>
#include <memory>

#include "cli/bench.h"
#include "cli/model_flags.h"
#include "import/import.h"

namespace rw {
namespace {

constexpr int kRuns = 11;
constexpr std::array<std::string_view, 5> kStages = {"survey", "resolve", "passes", "lower",
                                                     "together"};

// Milliseconds of each stage of one compilation.
Result<std::array<double, kStages.size()>> CompileOnce(const Graph& graph,
                                                       const CompileRequest& request) {
  std::array<double, kStages.size()> ms{};
  auto at = BenchClock::now();
  const auto start = at;
  const auto lap = [&](size_t stage) {
    ms[stage] = SecondsSince(at) * 1e3;
    at = BenchClock::now();
  };
  const Facts facts = FactsOf(graph, request);
  lap(0);
  RW_ASSIGN(Plan plan, PlanFor(facts, request));
  lap(1);
  Compiled compiled = Rewrite(graph, std::move(plan), request);
  lap(2);
  RW_TRY(LowerPrograms(compiled, request));
  lap(3);
  ms[4] = std::chrono::duration<double, std::milli>(at - start).count();
  return ms;
}

Result<int> BenchStartup(const ModelFlags& flags) {
  RW_ASSIGN(const ModelConfig config, LoadModelConfig(flags.model));
  const auto start = BenchClock::now();
  RW_ASSIGN(const Graph graph, flags.LoadGraph(config, Device::kCpu));
  fmt::print("{}: {} layers, {} calls, imported in {:.1f} ms\n", Name(config.architecture),
             config.num_layers, graph.nodes().size(), SecondsSince(start) * 1e3);
  fmt::print("milliseconds, the first run of each level; median of {} after it (min-max)\n", kRuns);
  fmt::print("{:<6}", "level");
  for (const std::string_view stage : kStages) fmt::print("{:>30}", stage);
  fmt::print("\n");
  for (int level = 0; level <= 3; ++level) {
    RW_ASSIGN(ModelOptions options, flags.Model(Device::kCpu, config.dtype));
    options.plan.level = level;
    const CompileRequest request = RequestFor(config, options);
    RW_ASSIGN(const auto cold, CompileOnce(graph, request));
    std::array<std::vector<double>, kStages.size()> warm;
    for (int i = 0; i < kRuns; ++i) {
      RW_ASSIGN(const auto ms, CompileOnce(graph, request));
      for (size_t s = 0; s < kStages.size(); ++s) warm[s].push_back(ms[s]);
    }
    fmt::print("O{:<5}", level);
    for (size_t s = 0; s < kStages.size(); ++s) {
      const Spread spread(warm[s]);
      fmt::print("{:>30}", fmt::format("{:.3f}; {:.3f} ({:.3f}-{:.3f})", cold[s], spread.median,
                                       spread.low, spread.high));
    }
    fmt::print("\n");
  }
  return 0;
}

}  // namespace

CommandBody AddStartupBench(CLI::App& bench) {
  auto flags = std::make_shared<ModelFlags>();
  CLI::App* command = bench.add_subcommand(
      "startup", "Time to plan, rewrite, cut and lower the graph at every level");
  command->footer("Example:\n  ropewalk bench startup FOLDER_WITH_CONFIG_JSON --load-format dummy");
  flags->AddModel(*command);
  flags->AddLoadFormat(*command);
  flags->AddQuantization(*command);
  flags->AddKernelProvider(*command);
  return [flags] { return BenchStartup(*flags); };
}

}  // namespace rw
