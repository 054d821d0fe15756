// Gains of fusions in whole runs, as `bench fusions` and `bench latency --ab` report them.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "plan/evidence.h"

namespace rw::tune {

// Percent by which a run with the fusion is faster than one without.
struct EndToEnd {
  Knob knob;
  std::string device_name;  // empty: not said
  std::optional<DType> dtype;
  std::string phase;   // "prompt", "generate"
  int64_t tokens = 0;  // of its steps
  double low = 0, median = 0, high = 0;
  std::string file;
};

// Of a report of `bench fusions --json`, a file with several of them as "results", or a report of
// `bench latency --ab KNOB --json`. Other knobs than fusions are left out.
Result<std::vector<EndToEnd>> EndToEndIn(const Json& root, const std::string& name);
bool IsEndToEnd(const Json& root);

// The measurement that shows the contrary of a row: that its choice makes runs slower, beyond the
// spread, in steps for which it holds; nullptr if none does.
const EndToEnd* Contradiction(const EvidenceRow& row, const std::vector<EndToEnd>& measured);

std::string Describe(const EndToEnd& measured);

}  // namespace rw::tune
