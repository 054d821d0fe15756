// Flags that every command with a model shares, and loading a model by them.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/model_runner.h"

namespace rw {

struct ModelFlags {
  std::string model;
  std::string dtype = "auto";
  std::string kv_cache_dtype = "auto";
  std::string load_format = "auto";
  std::string quantization = "none";
  std::string device = "auto";
  std::string kernels = "auto";
  std::string kernel_cache = "auto";
  std::string kv_cache_layout = "HND";
  double gpu_memory_utilization = 0.9;
  int threads = 0;
  int64_t max_model_len = 0;
  int64_t max_num_batched_tokens = 0;
  int64_t kv_tokens = 0;
  int level = kDefaultLevel;
  std::vector<std::string> compilation_config;
  bool enforce_eager = false;
  std::string rules;

  // Each adds flags to a command; a command takes those that mean something to it.
  void AddModel(CLI::App& command);       // MODEL, --dtype, --kv-cache-dtype
  void AddLoadFormat(CLI::App& command);  // --load-format
  // --quantization: none, a name of QuantSchemes(), or one of `more`, which change no weights.
  void AddQuantization(CLI::App& command, const std::vector<std::string>& more = {});
  // --device, --gpu-memory-utilization, --kernel-cache
  void AddDevice(CLI::App& command);
  void AddDeviceAlone(CLI::App& command);     // --device
  void AddThreads(CLI::App& command);         // --threads
  void AddKernels(CLI::App& command);         // --kernels, --threads
  void AddKernelProvider(CLI::App& command);  // --kernels
  void AddPlan(CLI::App& command);            // -O, --compilation-config, --enforce-eager, --rules
  // --max-model-len, --max-num-batched-tokens, --kv-tokens, --kv-cache-layout
  void AddSizes(CLI::App& command);

  // The model's graph as imported, for --load-format, on a device of that kind.
  Result<Graph> LoadGraph(const ModelConfig& config, Device kind) const;
  // What the flags say for a device of that kind; `stored` is the dtype that config.json names.
  Result<ModelOptions> Model(Device kind, std::optional<DType> stored) const;
  // The same with the device that --device names, opened.
  Result<ModelOptions> ModelOnDevice(std::optional<DType> stored) const;
  Result<Options> Plan() const;  // what the flags of AddPlan ask for
  int Threads() const;           // --threads, or all available cores
};

// Loads the weights (random ones for --load-format dummy), with a progress bar on stderr if that is
// a terminal and a plain line for each phase if not.
Result<ModelRunner> LoadModel(const ModelFlags& flags, const ModelConfig& config,
                              const ModelOptions& options, ThreadPool& pool);

// config.json, its warnings on stderr.
Result<ModelConfig> LoadConfig(const std::string& model);

}  // namespace rw
