// ropewalk graph MODEL: the model's graph as text or Graphviz, as imported, after a pass, or in
// pieces.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "compile/compile.h"
#include "lower/regions.h"

namespace rw {
namespace {

constexpr std::string_view kAll = "all";

struct Flags {
  ModelFlags model;
  std::string format = "text";
  std::string after;
  bool pieces = false;
  int64_t tokens = 1;
};

Status CheckPass(const std::string& name) {
  const auto passes = Pipeline();
  if (name == kAll || std::ranges::find(passes, name, &Pass::name) != passes.end()) return {};
  std::vector<std::string> known;
  for (const Pass& pass : passes) known.emplace_back(pass.name);
  return Err("--after {}: no such pass; the nearest is {}, and all stands for the last", name,
             known[Nearest(name, known)]);
}

// The generated kernels of a piece: the ops that each of them joins.
std::string PrintRegions(const Graph& graph, const Piece& piece) {
  std::string text;
  for (const Region& region : FindRegions(graph, piece)) {
    std::vector<std::string_view> ops;
    for (const int node : region.nodes) {
      ops.push_back(graph.nodes()[static_cast<size_t>(node)].op->name);
    }
    text += fmt::format("        one native kernel: {}\n", fmt::join(ops, " + "));
  }
  return text;
}

std::string PrintPieces(const Program& program) {
  std::string text = fmt::format("{} pieces, {} of them differ\n", program.pieces.size(),
                                 CountDistinct(program.pieces));
  for (size_t i = 0; i < program.pieces.size(); ++i) {
    const Piece& piece = program.pieces[i];
    const auto& nodes = program.graph.nodes();
    const Node& first = nodes[static_cast<size_t>(piece.first)];
    const Node& last = nodes[static_cast<size_t>(piece.last - 1)];
    text +=
        fmt::format("{:4}  {:016x}  {:4} calls  {:<9} {}  %{} .. %{}\n", i, piece.hash,
                    piece.last - piece.first, piece.splitting ? "splitting" : "",
                    piece.equal_to == static_cast<int>(i) ? "         "
                                                          : fmt::format("as {:<6}", piece.equal_to),
                    program.graph.value(first.out[0]).name, program.graph.value(last.out[0]).name);
    if (piece.equal_to == static_cast<int>(i)) text += PrintRegions(program.graph, piece);
  }
  return text;
}

Result<int> ShowGraph(const Flags& flags) {
  RW_ASSIGN(const ModelConfig config, LoadModelConfig(flags.model.model));
  RW_ASSIGN(const Graph graph, flags.model.LoadGraph(config, Device::kCpu));
  const auto print = [&](const Graph& shown) {
    fmt::print("{}", flags.format == "dot" ? PrintDot(shown) : Print(shown));
  };
  if (flags.after.empty() && !flags.pieces) {
    print(graph);
    return 0;
  }
  if (!flags.after.empty()) RW_TRY(CheckPass(flags.after));
  RW_ASSIGN(ModelOptions options, flags.model.Model(Device::kCpu, config.dtype));
  options.max_batch_tokens = std::max(options.max_batch_tokens, flags.tokens);
  const CompileRequest request = RequestFor(config, options);
  RW_ASSIGN(Plan plan, PlanFor(FactsOf(graph, request), request));
  const bool all = flags.after.empty() || flags.after == kAll;
  const Compiled compiled = Rewrite(graph, std::move(plan), request, all ? "" : flags.after);
  const Program& program = compiled.For(flags.tokens);
  if (flags.pieces) {
    fmt::print("{}", PrintPieces(program));
  } else {
    print(program.graph);
  }
  return 0;
}

}  // namespace

CommandBody AddGraphCommand(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("graph", "Show the model's graph");
  command->footer(
      "Examples:\n  ropewalk graph models/tales-5m --format dot | dot -Tsvg > graph.svg\n"
      "  ropewalk graph models/tales-5m --after fuse_rope_kvcache\n"
      "  ropewalk graph models/tales-5m --pieces -cc.splitting_ops=attention");
  flags->model.AddModel(*command);
  flags->model.AddLoadFormat(*command);
  flags->model.AddQuantization(*command);
  flags->model.AddKernelProvider(*command);
  flags->model.AddPlan(*command);
  command->add_option("--after", flags->after,
                      "As it is after this pass of the plan; all: after the last");
  command->add_flag("--pieces", flags->pieces, "The pieces between splitting ops instead of calls");
  command->add_option("--tokens", flags->tokens, "With --after or --pieces: for a step of N tokens")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--format", flags->format, "text, which reads back; or dot, for Graphviz")
      ->check(CLI::IsMember({"text", "dot"}))
      ->capture_default_str();
  return [flags] { return ShowGraph(*flags); };
}

}  // namespace rw
