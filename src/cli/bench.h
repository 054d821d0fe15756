// What the measuring commands share.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "engine/engine.h"

namespace rw {

using BenchClock = std::chrono::steady_clock;

inline double SecondsSince(BenchClock::time_point start) {
  return std::chrono::duration<double>(BenchClock::now() - start).count();
}

// Median with the smallest and the largest.
struct Spread {
  double median = 0, low = 0, high = 0;
  explicit Spread(std::vector<double> values);
};

struct BatchShape {
  int64_t input_len = 128;
  int64_t output_len = 64;
  int64_t batch_size = 1;

  void AddFlags(CLI::App& command);  // --input-len, --output-len, --batch-size
};

struct BatchRun {
  double prompt_seconds = 0;    // until every sequence has its first token
  double generate_seconds = 0;  // from then to the end
  int64_t generated = 0;        // tokens in that time
};

// The model on the device that the flags name, with room for such a batch and no more.
Result<ModelOptions> OptionsFor(const ModelFlags& flags, const BatchShape& shape,
                                const ModelConfig& config);

// One batch of random prompts of equal length, run to its end.
Result<BatchRun> RunBatch(Engine& engine, const BatchShape& shape, uint64_t seed);

// The subcommands of `ropewalk bench`.
CommandBody AddLatencyBench(CLI::App& bench);
CommandBody AddStartupBench(CLI::App& bench);
CommandBody AddFusionsBench(CLI::App& bench);
CommandBody AddKernelsBench(CLI::App& bench);
CommandBody AddPerplexityBench(CLI::App& bench);

}  // namespace rw
