// `bench latency --ab`: two values of one knob compared in one run.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "cli/bench.h"
#include "cli/in_turn.h"
#include "cli/model_flags.h"
#include "plan/plan.h"

namespace rw {

// "fuse_rope_kvcache": on and off. "cudagraph_mode=NONE,FULL", "custom_ops=[none,+rms_norm],all":
// two values, parted by the comma outside of brackets.
struct AbQuestion {
  Knob knob;
  std::array<KnobValue, 2> values;
};
Result<AbQuestion> ParseAb(std::string_view text);

// Percent that the first value is faster than the second, and by how much two engines of the same
// value differ in the same run, which no number of repetitions makes less: where their data lie,
// for one. What is no larger than that is no difference.
struct AbGain {
  Confidence gain;
  double noise = 0;
  bool first() const { return gain.low > 0 && gain.median > noise; }
  bool second() const { return gain.high < 0 && -gain.median > noise; }
};

// What the gains say about the value that the plan takes where nothing is asked. `side`: which of
// both that is; -1: neither.
struct AbVerdict {
  std::string_view word;  // "supported", "contradicted", "not decided"
  std::string why;        // one line
};
AbVerdict Judge(int side, const AbGain& prompt, const AbGain& generate);

struct AbFlags {
  std::string question;
  int64_t rounds;  // of each value twice
  int64_t warmup;
  bool json;
};
Result<int> BenchAb(const ModelFlags& model, const BatchShape& batch, const AbFlags& flags);

}  // namespace rw
