#include "cli/in_turn.h"

#include <algorithm>
#include <random>

namespace rw {
namespace {

constexpr size_t kResamples = 4000;
constexpr double kOutside = 0.025;  // of the resampled medians, on either side

}  // namespace

Result<std::vector<TurnTimes>> RunInTurn(std::span<Engine* const> engines, const BatchShape& shape,
                                         int64_t rounds, int64_t warmup) {
  std::vector<TurnTimes> times(engines.size());
  for (int64_t round = 0; round < warmup + rounds; ++round) {
    for (size_t turn = 0; turn < engines.size(); ++turn) {
      const size_t which = round % 2 == 0 ? turn : engines.size() - 1 - turn;
      RW_ASSIGN(const BatchRun run, RunBatch(*engines[which], shape, static_cast<uint64_t>(round)));
      if (round < warmup) continue;
      times[which].prompt.push_back(run.prompt_seconds);
      times[which].generate.push_back(run.generate_seconds);
      times[which].generated = run.generated;
    }
  }
  return times;
}

std::vector<double> Gains(const std::vector<double>& first, const std::vector<double>& second) {
  std::vector<double> gains;
  for (size_t i = 0; i < first.size(); ++i) gains.push_back((second[i] / first[i] - 1) * 100);
  return gains;
}

Confidence::Confidence(const std::vector<double>& gains) {
  if (gains.empty()) return;
  median = Spread(gains).median;
  std::mt19937_64 random(1);
  std::vector<double> medians;
  std::vector<double> drawn(gains.size());
  for (size_t i = 0; i < kResamples; ++i) {
    for (double& gain : drawn) gain = gains[random() % gains.size()];
    medians.push_back(Spread(drawn).median);
  }
  std::ranges::sort(medians);
  const auto outside = static_cast<size_t>(kResamples * kOutside);
  low = medians[outside];
  high = medians[kResamples - 1 - outside];
}

}  // namespace rw
