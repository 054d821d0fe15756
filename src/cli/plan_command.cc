// ropewalk plan MODEL: how it would run on a platform, and why.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "cli/plan_page.h"
#include "compile/compile.h"
#include "plan/explain.h"
#include "plan/vllm/check.h"

namespace rw {
namespace {

struct Flags {
  ModelFlags model;
  std::string policy = "ropewalk";
  std::string platform = "this machine";
  int64_t hidden_size = 4096;
  int64_t max_num_seqs = 256;
  int64_t tensor_parallel_size = 1;
  int64_t pipeline_parallel_size = 1;
  std::string why;
  std::string diff;
  std::string check;
  std::string format = "text";
};

// The flags that --diff takes too: what is asked, by which rules, for which platform.
void AddRequest(CLI::App& command, Flags& flags) {
  flags.model.AddPlan(command);
  command
      .add_option("--policy", flags.policy,
                  "ropewalk, or vllm: what vLLM resolves for the same flags, warnings included")
      ->check(CLI::IsMember({"ropewalk", "vllm"}))
      ->capture_default_str();
  command
      .add_option(
          "--platform", flags.platform,
          "Another machine to plan for: cpu:avx512, cuda:sm90,flashinfer, rocm:gfx950,aiter")
      ->capture_default_str();
}

Result<Platform> PlatformOf(const Flags& flags) {
  if (flags.platform == "this machine") return ThisMachine();
  return ParsePlatform(flags.platform);
}

Result<CompileRequest> Request(const Flags& flags, const std::optional<ModelConfig>& config) {
  RW_ASSIGN(const Platform platform, PlatformOf(flags));
  RW_ASSIGN(const ModelOptions model,
            flags.model.Model(platform.device, config ? config->dtype : std::nullopt));
  CompileRequest request{.options = model.plan,
                         .policy = flags.policy == "vllm" ? Policy::kVllm : Policy::kRopewalk,
                         .providers = model.providers};
  Facts& facts = request.facts;
  facts.platform = platform;
  facts.evidence = model.evidence;
  facts.hidden_size = flags.hidden_size;
  if (config) {
    facts.hidden_size = config->hidden_size;
    facts.intermediate_size = config->intermediate_size;
    facts.head_dim = config->head_dim;
    facts.num_q_heads = config->num_q_heads;
    facts.num_kv_heads = config->num_kv_heads;
    facts.kv_dtype = model.kv_dtype;
    facts.kv_layout = model.kv_layout;
  }
  facts.dtype = model.dtype;
  facts.block_quantized_fp8 = flags.model.quantization == "block-fp8";
  facts.nvfp4 = flags.model.quantization == "nvfp4";
  facts.max_num_batched_tokens = model.max_batch_tokens;
  facts.max_num_seqs = flags.max_num_seqs;
  facts.tensor_parallel_size = flags.tensor_parallel_size;
  facts.pipeline_parallel_size = flags.pipeline_parallel_size;
  return request;
}

// A plan with the facts it rests on.
struct Planned {
  Facts facts;
  Plan plan;
};

Result<Planned> MakePlanned(const CompileRequest& request, const std::optional<Graph>& graph) {
  Facts facts = graph ? FactsOf(*graph, request) : request.facts;
  auto plan = MakePlan(facts, request.options, request.policy);
  if (!plan) {
    return Err("{}", request.policy == Policy::kVllm
                         ? fmt::format("vLLM refuses this: {} ({})", plan.error().message,
                                       plan.error().code)
                         : plan.error().message);
  }
  return Planned{std::move(facts), *std::move(plan)};
}

Result<int> Check(const Flags& flags) {
  if (flags.policy != "vllm")
    return Err("--check holds recordings of vLLM: expected --policy vllm");
  RW_ASSIGN(const vllm::CheckReport report, vllm::CheckCases(flags.check));
  for (const std::string& difference : report.differences) fmt::print("{}\n", difference);
  fmt::print("{} passed, {} failed\n", report.passed, report.failed);
  return report.failed == 0 ? 0 : 1;
}

// The plan for other flags of AddRequest, given as one text.
Result<Planned> OtherPlan(const Flags& flags, const std::optional<ModelConfig>& config,
                          const std::optional<Graph>& graph) {
  Flags other = flags;
  other.model.compilation_config.clear();
  other.model.level = kDefaultLevel;
  other.model.enforce_eager = false;
  other.policy = "ropewalk";
  CLI::App app;
  AddRequest(app, other);
  std::vector<std::string> words = CLI::detail::split_up(flags.diff);
  std::vector<const char*> argv = {"--diff"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::vector<std::string> arguments = ExpandArguments(static_cast<int>(argv.size()), argv.data());
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return Err("--diff: {}", error.what());
  }
  RW_ASSIGN(const CompileRequest request, Request(other, config));
  auto planned = MakePlanned(request, graph);
  if (!planned) return Err("--diff: {}", planned.error().message);
  return planned;
}

Result<int> ShowPlan(const Flags& flags) {
  if (!flags.check.empty()) return Check(flags);
  std::optional<Knob> why;
  if (!flags.why.empty()) {
    RW_ASSIGN(why, FindKnob(flags.why));
  }
  std::optional<ModelConfig> config;
  std::optional<Graph> graph;
  if (!flags.model.model.empty()) {
    RW_ASSIGN(config, LoadModelConfig(flags.model.model));
    RW_ASSIGN(const Platform platform, PlatformOf(flags));
    RW_ASSIGN(graph, flags.model.LoadGraph(*config, platform.device));
  }
  RW_ASSIGN(const CompileRequest request, Request(flags, config));
  RW_ASSIGN(const Planned planned, MakePlanned(request, graph));
  if (!flags.diff.empty()) {
    RW_ASSIGN(const Planned other, OtherPlan(flags, config, graph));
    const std::string diff = PrintDiff(planned.plan, other.plan, planned.facts, other.facts);
    fmt::print("{}", diff.empty() ? "no difference\n" : diff);
  } else if (why) {
    fmt::print("{}", Why(planned.plan, planned.facts, *why));
  } else if (flags.format == "json") {
    fmt::print("{}\n", PlanJson(planned.plan, planned.facts));
  } else if (flags.format == "html") {
    if (!graph) return Err("--format html shows a graph: expected a MODEL");
    fmt::print("{}", PlanPage(*graph, Rewrite(*graph, planned.plan, request), planned.facts));
  } else {
    fmt::print("{}", PrintPlan(planned.plan, planned.facts));
  }
  return 0;
}

}  // namespace

CommandBody AddPlanCommand(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("plan", "Say how a model would run, and why");
  command->footer(
      "Examples:\n"
      "  ropewalk plan models/tales-5m\n"
      "  ropewalk plan models/tales-5m -O1 --why fuse_rope_kvcache\n"
      "  ropewalk plan models/tales-5m --diff \"-O0\"\n"
      "  ropewalk plan --policy vllm --platform rocm:gfx950,aiter "
      "-cc.pass_config.fuse_rope_kvcache=true\n"
      "  ropewalk plan models/tales-5m --format html > plan.html");
  flags->model.AddModel(*command);
  command->get_option("model")->required(false);
  flags->model.AddLoadFormat(*command);
  flags->model.AddKernelProvider(*command);
  AddRequest(*command, *flags);
  command
      ->add_option("--max-num-batched-tokens", flags->model.max_num_batched_tokens,
                   "Most tokens in one step; 0: 512 on a CPU, 8192 on a GPU")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--max-num-seqs", flags->max_num_seqs, "Most sequences in one step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--hidden-size", flags->hidden_size, "Hidden size where no MODEL is given")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--tensor-parallel-size,-t", flags->tensor_parallel_size,
                   "Devices that share each layer; for --policy vllm")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--pipeline-parallel-size,-p", flags->pipeline_parallel_size,
                   "Devices that share the layers; for --policy vllm")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  flags->model.AddQuantization(*command, {"block-fp8", "nvfp4"});
  command->get_option("--quantization")
      ->description("How the weights are quantized; block-fp8 and nvfp4 are for --policy vllm");
  auto* why = command->add_option("--why", flags->why, "Everything about one knob");
  auto* diff = command->add_option(
      "--diff", flags->diff,
      "What other flags would change, as one text: \"-O1 --policy vllm -cc.mode=NONE\"");
  auto* check =
      command->add_option("--check", flags->check,
                          "A file of resolutions recorded from vLLM to hold --policy vllm "
                          "against");
  command->add_option("--format", flags->format, "text, json, or html: one page with the graph")
      ->check(CLI::IsMember({"text", "json", "html"}))
      ->capture_default_str();
  why->excludes(diff)->excludes(check);
  diff->excludes(check);
  return [flags] { return ShowPlan(*flags); };
}

}  // namespace rw
