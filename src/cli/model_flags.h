// Flags that every command with a model shares, and loading a model by them.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/model_runner.h"

namespace rw {

struct ModelFlags {
  std::string model;
  std::string dtype = "float32";
  std::string kv_cache_dtype = "auto";
  std::string load_format = "auto";
  std::string kernels = "simd";
  int threads = 0;
  int64_t max_model_len = 0;
  int64_t max_num_batched_tokens = 512;
  int64_t kv_tokens = 0;
  int level = kDefaultLevel;
  std::vector<std::string> compilation_config;
  bool enforce_eager = false;

  // Each adds flags to a command; a command takes those that mean something to it.
  void AddModel(CLI::App& command);           // MODEL, --dtype, --kv-cache-dtype
  void AddLoadFormat(CLI::App& command);      // --load-format
  void AddKernels(CLI::App& command);         // --kernels, --threads
  void AddKernelProvider(CLI::App& command);  // --kernels
  void AddPlan(CLI::App& command);            // -O, --compilation-config, --enforce-eager
  void AddSizes(CLI::App& command);  // --max-model-len, --max-num-batched-tokens, --kv-tokens

  // The model's graph as imported, for --load-format.
  Result<Graph> LoadGraph(const ModelConfig& config) const;
  Result<ModelOptions> Model() const;
  Result<Options> Plan() const;  // what the flags of AddPlan ask for
  int Threads() const;           // --threads, or all available cores
};

// Loads config.json and the weights (random ones for --load-format dummy), with a progress bar on
// stderr if that is a terminal and a plain line if not.
Result<ModelRunner> LoadModel(const ModelFlags& flags, const ModelOptions& options,
                              ThreadPool& pool);

}  // namespace rw
