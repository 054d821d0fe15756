// Recorded resolutions of vLLM against the rule set `vllm`.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace rw::vllm {

struct CheckReport {
  int passed = 0;
  int failed = 0;
  std::vector<std::string> differences;  // of the first failed cases: "case 11-0: mode: ..."
};

// `path` holds one case a line: facts, optimization_level, compilation_config, outcome.
Result<CheckReport> CheckCases(const std::string& path, int max_differences = 20);

}  // namespace rw::vllm
