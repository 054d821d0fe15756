// The results of gpu_bench, for people and for programs.
#pragma once

#include "gpu_cases.h"

namespace rw::bench {

struct Result {
  Case of;
  int sets = 0;  // of operands, when cold
  // Nothing where a kernel is missing; hot also where one set is too large for the L2.
  std::optional<Timing> cold, hot;
};

struct Report {
  const Gpu& gpu;
  Roofs roofs;
  std::optional<bool> naive_agrees;
  std::vector<Result> results;
  double seconds = 0;
};

// One row for each variant of a group and shape, one column for each n.
void PrintTable(const Report& report);
void WriteJson(const Report& report, const std::string& path);

}  // namespace rw::bench
