#include "cli/model_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "cli/progress.h"
#include "cli/rules_folder.h"
#include "engine/gguf_weights.h"
#include "engine/quantized_weights.h"
#include "import/import.h"
#include "model/checkpoint.h"
#include "model/model_files.h"

namespace rw {
namespace {

const std::map<std::string, DType> kDTypes = {
    {"float32", DType::kF32}, {"bfloat16", DType::kBF16},   {"float16", DType::kF16},
    {"fp8", DType::kF8E4M3},  {"fp8_e4m3", DType::kF8E4M3},
};

// The provider asked for, then the others of the device. The reference stands alone.
std::vector<std::string_view> ProvidersOf(Device kind, std::string_view asked) {
  if (asked == "auto") return {};
  std::vector<std::string_view> providers = {asked};
  for (const KernelRow& row : KernelTable()) {
    const bool known = std::ranges::find(providers, row.provider) != providers.end();
    if (row.device == kind && asked != "reference" && !known) providers.push_back(row.provider);
  }
  return providers;
}

// The folder that --kernel-cache names; empty: none.
std::string CodeFolder(const std::string& flag) {
  if (flag != "auto") return flag == "none" ? "" : flag;
  struct Place {
    const char* variable;
    std::string_view below;
  };
  constexpr Place kPlaces[] = {
      {"ROPEWALK_CACHE", ""}, {"XDG_CACHE_HOME", "/ropewalk"}, {"HOME", "/.cache/ropewalk"}};
  for (const auto& [variable, below] : kPlaces) {
    const char* folder = std::getenv(variable);
    if (folder != nullptr && *folder != '\0') return fmt::format("{}{}", folder, below);
  }
  return "";
}

DeviceOptions OptionsOf(const ModelFlags& flags) {
  return {{CodeFolder(flags.kernel_cache),
           [](const std::string& line) { fmt::print(stderr, "kernel cache: {}\n", line); }}};
}

// The weights that --quantization makes of `weights`.
Result<std::shared_ptr<const Weights>> QuantizedAsAsked(
    const std::string& quantization, Device kind, const ModelConfig& config,
    std::shared_ptr<const Weights> weights, ThreadPool& pool,
    std::function<void(int64_t done)> done = {}) {
  const QuantScheme* scheme = FindQuantScheme(quantization);
  if (scheme == nullptr) return weights;
  if (kind != Device::kCpu) {
    return Err(
        "--quantization {}: expected --device cpu, found {}, which has no products with quantized "
        "weights so far: leave one of the flags out",
        quantization, Name(kind));
  }
  return QuantizedWeights(std::move(weights), config, *scheme, pool, std::move(done));
}

std::string MegaBytes(int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) * 1e-6);
}

}  // namespace

void ModelFlags::AddModel(CLI::App& command) {
  const auto check = [](const std::string& path) {
    const Status found = CheckModel(path);
    return found ? std::string() : found.error().message;
  };
  command.add_option("model", model, "Hugging Face model folder, or a GGUF file")
      ->required()
      ->check(CLI::Validator(check, ""));
  command
      .add_option("--dtype", dtype,
                  "Element type of activations; auto: float32 on a CPU, the checkpoint's on a GPU")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16", "float16"}))
      ->capture_default_str();
  command
      .add_option("--kv-cache-dtype", kv_cache_dtype,
                  "Element type of the KV cache; auto: that of activations; fp8: fp8_e4m3")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16", "float16", "fp8", "fp8_e4m3"}))
      ->capture_default_str();
}

void ModelFlags::AddLoadFormat(CLI::App& command) {
  command
      .add_option("--load-format", load_format,
                  "auto: read the checkpoint; dummy: random weights, only config.json is read")
      ->check(CLI::IsMember({"auto", "dummy"}))
      ->capture_default_str();
}

void ModelFlags::AddQuantization(CLI::App& command, const std::vector<std::string>& more) {
  std::vector<std::string> schemes = {"none"};
  for (const QuantScheme& scheme : QuantSchemes()) schemes.emplace_back(scheme.name);
  schemes.insert(schemes.end(), more.begin(), more.end());
  command
      .add_option("--quantization", quantization,
                  "Round weights to 8 or 4 bits while they load, in groups of 32 or 128 (g128), "
                  "symmetric or with a zero point (zp)")
      ->check(CLI::IsMember(schemes))
      ->capture_default_str();
}

void ModelFlags::AddDeviceAlone(CLI::App& command) {
  command.add_option("--device", device, "cpu, cuda; auto: a GPU if there is one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda", "rocm"}))
      ->capture_default_str();
}

void ModelFlags::AddDevice(CLI::App& command) {
  AddDeviceAlone(command);
  command
      .add_option("--gpu-memory-utilization", gpu_memory_utilization,
                  "Most that the KV cache takes of the GPU memory that the weights leave")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  command
      .add_option("--kernel-cache", kernel_cache,
                  "Folder that keeps code compiled for a GPU; none: it is not kept; auto: "
                  "$ROPEWALK_CACHE, $XDG_CACHE_HOME/ropewalk or ~/.cache/ropewalk")
      ->capture_default_str();
}

void ModelFlags::AddKernelProvider(CLI::App& command) {
  std::vector<std::string> providers = {"auto"};
  for (const KernelRow& row : KernelTable()) {
    const std::string provider(row.provider);
    if (std::ranges::find(providers, provider) == providers.end()) providers.push_back(provider);
  }
  command
      .add_option("--kernels", kernels,
                  "Kernels to prefer; reference: only the scalar ones that state the meaning")
      ->check(CLI::IsMember(providers))
      ->capture_default_str();
}

void ModelFlags::AddThreads(CLI::App& command) {
  command
      .add_option("--threads", threads, "Threads; 0: one for each core that this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

void ModelFlags::AddKernels(CLI::App& command) {
  AddDevice(command);
  AddKernelProvider(command);
  AddThreads(command);
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
  command.add_option("--rules", rules,
                     "Folder of your own measured defaults (ropewalk tune); none: no measurement "
                     "counts, built-in ones neither [$ROPEWALK_RULES or ~/.config/ropewalk/rules]");
}

void ModelFlags::AddSizes(CLI::App& command) {
  command
      .add_option("--max-model-len", max_model_len,
                  "Longest sequence in tokens; 0: what config.json says")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option("--max-num-batched-tokens", max_num_batched_tokens,
                  "Most tokens in one step; longer prompts run in chunks; 0: 512 on a CPU, 8192 on "
                  "a GPU")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option(
          "--kv-tokens", kv_tokens,
          "Room in the KV cache in tokens; 0: what the longest sequences need, at most half "
          "of the free memory (of a GPU's: --gpu-memory-utilization)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option("--kv-cache-layout", kv_cache_layout,
                  "Order within a page: HND, tokens of a head together; NHD, heads of a token")
      ->check(CLI::IsMember({"HND", "NHD"}))
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

Result<ModelOptions> ModelFlags::Model(Device kind, std::optional<DType> stored) const {
  const bool cpu = kind == Device::kCpu;
  ModelOptions options;
  RW_ASSIGN(options.plan, Plan());
  RW_ASSIGN(options.evidence, LoadEvidence(rules));
  if (dtype != "auto") {
    options.dtype = kDTypes.at(dtype);
  } else if (!cpu) {
    options.dtype = stored == DType::kF16 ? DType::kF16 : DType::kBF16;
  }
  options.kv_dtype = kv_cache_dtype == "auto" ? options.dtype : kDTypes.at(kv_cache_dtype);
  options.kv_layout = kv_cache_layout == "NHD" ? KvLayout::kNhd : KvLayout::kHnd;
  options.max_model_len = max_model_len;
  options.max_batch_tokens = max_num_batched_tokens;
  if (options.max_batch_tokens == 0) options.max_batch_tokens = cpu ? 512 : 8192;
  options.kv_tokens = kv_tokens;
  if (!cpu) options.memory_share = gpu_memory_utilization;
  options.providers = ProvidersOf(kind, kernels);
  return options;
}

Result<ModelOptions> ModelFlags::ModelOnDevice(std::optional<DType> stored) const {
  std::shared_ptr<ComputeDevice> opened = CpuDevice();
  if (device == "cuda" || device == "rocm") {
    RW_ASSIGN(opened,
              OpenDevice(device == "cuda" ? Device::kCuda : Device::kRocm, OptionsOf(*this)));
  } else if (device == "auto" && BuiltFor(Device::kCuda)) {
    if (auto gpu = OpenDevice(Device::kCuda, OptionsOf(*this))) {
      opened = *std::move(gpu);
    } else {
      fmt::print(stderr, "on the CPU: {}\n", gpu.error().message);
    }
  }
  RW_ASSIGN(ModelOptions options, Model(opened->kind(), stored));
  options.device = std::move(opened);
  return options;
}

int ModelFlags::Threads() const { return threads > 0 ? threads : AvailableCores(); }

Result<Graph> ModelFlags::LoadGraph(const ModelConfig& config, Device kind) const {
  RW_ASSIGN(const ModelOptions options, Model(kind, config.dtype));
  std::shared_ptr<const Weights> weights = DummyWeights(config);
  if (load_format != "dummy") {
    auto opened = OpenWeights(model, config);
    if (!opened) {
      return Err("{}; --load-format dummy needs config.json alone", opened.error().message);
    }
    weights = *std::move(opened);
  }
  ThreadPool none(1);  // types are asked for, no tensors
  RW_ASSIGN(weights, QuantizedAsAsked(quantization, kind, config, std::move(weights), none));
  const WeightLookup lookup = [&](const std::string& name, std::span<const int64_t> dims) {
    return weights->TypeOf(name, dims);
  };
  return ImportModel(config, lookup, {options.dtype, options.kv_dtype});
}

Result<ModelConfig> LoadConfig(const std::string& model) {
  RW_ASSIGN(ModelConfig config, LoadModelConfig(model));
  for (const std::string& warning : config.warnings) fmt::print(stderr, "warning: {}\n", warning);
  return config;
}

namespace {

// One bar for each phase, one after the other.
class PhaseBars {
 public:
  void Begin(std::string what, ProgressBar::Unit unit = ProgressBar::Unit::kBytes) {
    bar_.emplace(std::move(what), unit);
  }
  void Update(uint64_t done, uint64_t total) {
    if (bar_) bar_->Update(done, total);
  }
  void Finish(const std::string& summary) {
    if (bar_) bar_->Finish(summary);
    bar_.reset();
  }

 private:
  std::optional<ProgressBar> bar_;
};

}  // namespace

Result<ModelRunner> LoadModel(const ModelFlags& flags, const ModelConfig& config,
                              const ModelOptions& options, ThreadPool& pool) {
  PhaseBars bars;
  bars.Begin("loading " + flags.model);
  std::shared_ptr<const Weights> weights;
  std::string summary = "random weights";
  uint64_t total = 0;
  const bool cpu = options.device->kind() == Device::kCpu;
  if (flags.load_format == "dummy") {
    weights = DummyWeights(config);
  } else if (IsGgufFile(flags.model)) {
    RW_ASSIGN(GgufModel gguf, GgufModel::Open(flags.model));
    total = gguf.tensor_bytes();
    summary = MegaBytes(static_cast<int64_t>(total)) + " of weights";
    if (cpu) {
      RW_ASSIGN(weights,
                LoadGgufWeights(std::move(gguf), config, pool,
                                [&](uint64_t done, uint64_t all) { bars.Update(done, all); }));
    } else {
      weights = GgufWeights(std::move(gguf), config);
    }
  } else {
    RW_ASSIGN(Checkpoint checkpoint, Checkpoint::Open(flags.model));
    total = checkpoint.total_bytes();
    if (cpu) {
      RW_TRY(
          checkpoint.Prefetch(pool, [&](uint64_t done, uint64_t all) { bars.Update(done, all); }));
    }
    summary = MegaBytes(static_cast<int64_t>(total)) + " of weights";
    weights = CheckpointWeights(std::move(checkpoint));
  }
  int64_t quantized = 0;
  RW_ASSIGN(weights,
            QuantizedAsAsked(flags.quantization, options.device->kind(), config, std::move(weights),
                             pool, [&](int64_t done) { quantized = done; }));
  weights = WeightsOn(options.device, std::move(weights), pool,
                      [&](int64_t done) { bars.Update(static_cast<uint64_t>(done), total); });
  // A GPU's start has phases that take time of their own.
  bool loaded = false;
  uint64_t captured = 0;
  const auto heard = [&](std::string_view phase, uint64_t done, uint64_t all) {
    if (cpu) return;
    if (!loaded) {
      bars.Finish(fmt::format("{}, {} layers, {} on {}", Name(config.architecture),
                              config.num_layers, summary, options.device->name()));
      loaded = true;
      bars.Begin("compiling");
    }
    if (phase != "capturing") return;
    if (captured == 0) {
      bars.Finish("KV cache and intermediate results reserved");
      bars.Begin("capturing", ProgressBar::Unit::kCount);
    }
    captured = done;
    bars.Update(done, all);
  };
  RW_ASSIGN(ModelRunner model,
            ModelRunner::Create(config, std::move(weights), options, pool, heard));
  if (quantized > 0) {
    summary += fmt::format(", rounded to {} ({})", flags.quantization, MegaBytes(quantized));
  }
  if (cpu) {
    bars.Finish(
        fmt::format("{}, {} layers, {}", Name(config.architecture), config.num_layers, summary));
  } else if (captured > 0) {
    bars.Finish(fmt::format("{} steps", model.captured_steps()));
  } else {
    bars.Finish("KV cache and intermediate results reserved, no step captured");
  }
  return model;
}

}  // namespace rw
