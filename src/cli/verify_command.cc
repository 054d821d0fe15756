// ropewalk verify MODEL --golden FILE: hold the model against outputs recorded from transformers.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/model_flags.h"
#include "engine/gguf_weights.h"
#include "engine/verify.h"

namespace rw {
namespace {

struct Flags {
  ModelFlags model;
  std::string golden;
  double tolerance = 2e-4;
  std::string rope_frequencies = "auto";
};

void Print(const VerifyReport& report) {
  for (const Comparison& c : report.tensors) {
    fmt::print("{:<12} error {:.2e} of the largest, allowed {:.1e}  {}\n", c.name, c.error,
               c.allowed, c.ok() ? "ok" : "DEPARTS");
  }
  fmt::print("{:<12} {} of {} tokens as recorded, {} within the tolerance, {} wrong\n", "greedy",
             report.greedy_steps - report.greedy_wrong - report.greedy_close, report.greedy_steps,
             report.greedy_close, report.greedy_wrong);
  if (report.rope_frequencies != DType::kF32) {
    fmt::print(
        "note: recorded from a model whose rope frequencies were rounded to {}, as after "
        "model.to(torch.bfloat16);\n      reproduced with the same rounding. `ropewalk run` keeps "
        "them in float32.\n",
        Name(report.rope_frequencies));
  }
  const auto first = std::find_if(report.tensors.begin(), report.tensors.end(),
                                  [](const Comparison& c) { return !c.ok(); });
  if (first != report.tensors.end()) fmt::print("first to depart: {}\n", first->name);
  fmt::print("{}\n", report.ok() ? "PASS" : "FAIL");
}

Result<int> Verify(const Flags& flags) {
  RW_ASSIGN(const ModelConfig config, LoadConfig(flags.model.model));
  RW_ASSIGN(ModelOptions model, flags.model.ModelOnDevice(config.dtype));
  VerifyOptions options = {std::move(model), flags.tolerance, std::nullopt};
  if (flags.rope_frequencies == "float32") options.rope_frequencies = DType::kF32;
  if (flags.rope_frequencies == "bfloat16") options.rope_frequencies = DType::kBF16;
  RW_ASSIGN(std::shared_ptr<const Weights> weights, OpenWeights(flags.model.model, config));
  RW_ASSIGN(const SafetensorsFile golden, SafetensorsFile::Open(flags.golden));
  ThreadPool pool(flags.model.Threads());
  weights = WeightsOn(options.model.device, std::move(weights), pool);
  RW_ASSIGN(const VerifyReport report, VerifyModel(config, weights, golden, options, pool));
  Print(report);
  return report.ok() ? 0 : 1;
}

}  // namespace

CommandBody AddVerifyCommand(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("verify", "Compare with outputs recorded from transformers");
  command->footer(
      "Ends with PASS (exit 0) or FAIL (exit 1).\nExample:\n"
      "  ropewalk verify tests/golden/models/llama --golden "
      "tests/golden/models/llama/golden.safetensors");
  flags->model.AddModel(*command);
  flags->model.AddKernels(*command);
  flags->model.AddPlan(*command);
  command->add_option("--golden", flags->golden, "The recording, a safetensors file")->required();
  command->add_option("--tolerance", flags->tolerance, "Relative to the largest recorded magnitude")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--rope-frequencies", flags->rope_frequencies,
                   "Precision of the recorded model's rope frequencies; auto: float32, or bfloat16 "
                   "if that comes closer (the report says so)")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16"}))
      ->capture_default_str();
  return [flags] { return Verify(*flags); };
}

}  // namespace rw
