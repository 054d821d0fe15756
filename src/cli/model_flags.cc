#include "cli/model_flags.h"

#include <fmt/format.h>

#include "cli/progress.h"
#include "import/import.h"
#include "model/checkpoint.h"

namespace rw {
namespace {

const std::map<std::string, DType> kDTypes = {
    {"float32", DType::kF32}, {"bfloat16", DType::kBF16}, {"float16", DType::kF16}};

std::string MegaBytes(int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) * 1e-6);
}

}  // namespace

void ModelFlags::AddModel(CLI::App& command) {
  command.add_option("model", model, "Hugging Face model folder")
      ->required()
      ->check(CLI::ExistingDirectory);
  command.add_option("--dtype", dtype, "Element type of activations")
      ->check(CLI::IsMember({"float32", "bfloat16", "float16"}))
      ->capture_default_str();
  command
      .add_option("--kv-cache-dtype", kv_cache_dtype,
                  "Element type of the KV cache; auto: that of activations")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16", "float16"}))
      ->capture_default_str();
}

void ModelFlags::AddLoadFormat(CLI::App& command) {
  command
      .add_option("--load-format", load_format,
                  "auto: read the checkpoint; dummy: random weights, only config.json is read")
      ->check(CLI::IsMember({"auto", "dummy"}))
      ->capture_default_str();
}

void ModelFlags::AddKernelProvider(CLI::App& command) {
  command
      .add_option("--kernels", kernels, "simd, or reference: scalar ones that state the meaning")
      ->check(CLI::IsMember({"simd", "reference"}))
      ->capture_default_str();
}

void ModelFlags::AddKernels(CLI::App& command) {
  AddKernelProvider(command);
  command
      .add_option("--threads", threads, "Threads; 0: one for each core that this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

void ModelFlags::AddPlan(CLI::App& command) {
  command
      .add_option("-O,--optimization-level", level,
                  "0: nothing compiled; 1: simple fusions; 2 and 3: all that are safe")
      ->check(CLI::Range(0, 3))
      ->capture_default_str();
  command
      .add_option("--compilation-config", compilation_config,
                  "JSON, a file with JSON, or KNOB=VALUE; -cc.KNOB=VALUE is short for it, and "
                  "-cc.KNOB+=ITEM appends to a list")
      ->allow_extra_args(false);
  command.add_flag("--enforce-eager", enforce_eager, "Compile nothing and capture nothing");
}

void ModelFlags::AddSizes(CLI::App& command) {
  command
      .add_option("--max-model-len", max_model_len,
                  "Longest sequence in tokens; 0: what config.json says")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option("--max-num-batched-tokens", max_num_batched_tokens,
                  "Most tokens in one step; longer prompts run in chunks")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option(
          "--kv-tokens", kv_tokens,
          "Room in the KV cache in tokens; 0: what the longest sequences need, at most half "
          "of the free memory")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

Result<Options> ModelFlags::Plan() const {
  Options options;
  options.level = level;
  options.enforce_eager = enforce_eager;
  for (const std::string& argument : compilation_config) {
    RW_TRY(ApplyCompilationConfig(argument, options));
  }
  return options;
}

Result<ModelOptions> ModelFlags::Model() const {
  ModelOptions options;
  RW_ASSIGN(options.plan, Plan());
  options.dtype = kDTypes.at(dtype);
  options.kv_dtype = kv_cache_dtype == "auto" ? options.dtype : kDTypes.at(kv_cache_dtype);
  options.max_model_len = max_model_len;
  options.max_batch_tokens = max_num_batched_tokens;
  options.kv_tokens = kv_tokens;
  if (kernels == "reference") options.providers = {"reference"};
  return options;
}

int ModelFlags::Threads() const { return threads > 0 ? threads : AvailableCores(); }

Result<Graph> ModelFlags::LoadGraph(const ModelConfig& config) const {
  RW_ASSIGN(const ModelOptions options, Model());
  std::shared_ptr<const Weights> weights = DummyWeights(config);
  if (load_format != "dummy") {
    auto checkpoint = Checkpoint::Open(model);
    if (!checkpoint) {
      return Err("{}; --load-format dummy needs config.json alone", checkpoint.error().message);
    }
    weights = CheckpointWeights(*std::move(checkpoint));
  }
  const WeightLookup lookup = [&](const std::string& name, std::span<const int64_t> dims) {
    return weights->TypeOf(name, dims);
  };
  return ImportModel(config, lookup, {options.dtype, options.kv_dtype});
}

Result<ModelRunner> LoadModel(const ModelFlags& flags, const ModelOptions& options,
                              ThreadPool& pool) {
  RW_ASSIGN(ModelConfig config, LoadModelConfig(flags.model));
  for (const std::string& warning : config.warnings) fmt::print(stderr, "warning: {}\n", warning);
  ProgressBar bar("loading " + flags.model);
  std::shared_ptr<const Weights> weights;
  std::string summary = "random weights";
  if (flags.load_format == "dummy") {
    weights = DummyWeights(config);
  } else {
    RW_ASSIGN(Checkpoint checkpoint, Checkpoint::Open(flags.model));
    RW_TRY(
        checkpoint.Prefetch(pool, [&](uint64_t done, uint64_t total) { bar.Update(done, total); }));
    summary = MegaBytes(static_cast<int64_t>(checkpoint.total_bytes())) + " of weights";
    weights = CheckpointWeights(std::move(checkpoint));
  }
  const std::string name(Name(config.architecture));
  const int64_t layers = config.num_layers;
  RW_ASSIGN(ModelRunner model, ModelRunner::Create(std::move(config), std::move(weights), options));
  bar.Finish(fmt::format("{}, {} layers, {}", name, layers, summary));
  return model;
}

}  // namespace rw
