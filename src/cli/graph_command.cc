// ropewalk graph MODEL: the model's graph as text or Graphviz.
#include <fmt/format.h>

#include <memory>

#include "cli/command.h"
#include "cli/model_flags.h"
#include "import/import.h"
#include "model/checkpoint.h"

namespace rw {
namespace {

struct Flags {
  ModelFlags model;
  std::string format = "text";
};

Result<int> ShowGraph(const Flags& flags) {
  RW_ASSIGN(const ModelConfig config, LoadModelConfig(flags.model.model));
  const ModelOptions options = flags.model.Options();
  std::shared_ptr<const Weights> weights = DummyWeights(config);
  if (flags.model.load_format != "dummy") {
    RW_ASSIGN(Checkpoint checkpoint, Checkpoint::Open(flags.model.model));
    weights = CheckpointWeights(std::move(checkpoint));
  }
  const WeightLookup lookup = [&](const std::string& name, std::span<const int64_t> dims) {
    return weights->TypeOf(name, dims);
  };
  RW_ASSIGN(const Graph graph, ImportModel(config, lookup, {options.dtype, options.kv_dtype}));
  fmt::print("{}", flags.format == "dot" ? PrintDot(graph) : Print(graph));
  return 0;
}

}  // namespace

CommandBody AddGraphCommand(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("graph", "Show the model's graph");
  command->footer(
      "Example:\n  ropewalk graph models/tales-5m --format dot | dot -Tsvg > graph.svg");
  flags->model.AddModel(*command);
  flags->model.AddLoadFormat(*command);
  command->add_option("--format", flags->format, "text, which reads back; or dot, for Graphviz")
      ->check(CLI::IsMember({"text", "dot"}))
      ->capture_default_str();
  return [flags] { return ShowGraph(*flags); };
}

}  // namespace rw
