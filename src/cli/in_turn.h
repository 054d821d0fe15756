// Engines measured in turn, and what a difference between two of them is worth.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "cli/bench.h"
#include "engine/engine.h"

namespace rw {

// Seconds of the runs of one engine. Entry i of all engines belongs to the same prompts and ran in
// the same round, so what slows the machine for a while slows all.
struct TurnTimes {
  std::vector<double> prompt;
  std::vector<double> generate;
  int64_t generated = 0;  // tokens in each entry of generate
};

// A B, B A, A B ...: none always comes first. `warmup` rounds more come before and are left out.
Result<std::vector<TurnTimes>> RunInTurn(std::span<Engine* const> engines, const BatchShape& shape,
                                         int64_t rounds, int64_t warmup = 1);

// Percent that the first is faster than the second, pair by pair.
std::vector<double> Gains(const std::vector<double>& first, const std::vector<double>& second);

// The median of paired gains, and where it would lie in 95 of 100 repetitions: the middle of the
// medians of resampled pairs (bootstrap, always from the same random numbers).
struct Confidence {
  double median = 0, low = 0, high = 0;
  Confidence() = default;
  explicit Confidence(const std::vector<double>& gains);
};

}  // namespace rw
