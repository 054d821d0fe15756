// What `bench kernels` measured, as a file: JSON of the schema "ropewalk-kernels-1".
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "bench/matrix.h"

namespace rw::bench {

// Of repeated measurements: the median with the quartiles.
struct Timing {
  double median_us = 0, low_us = 0, high_us = 0;
  int64_t runs = 0;
};
Timing TimingOf(std::vector<double> microseconds);

// Which measurement it is. What the op has no use for is empty or 0.
struct CellKey {
  std::string op, variant;
  std::string dtype, kv_dtype, kv_layout;
  int64_t hq = 0, hk = 0, d = 0, width = 0, tokens = 0;
  std::string cache;  // "hot", "cold"
  auto operator<=>(const CellKey&) const = default;
};
CellKey KeyOf(const Point& point, std::string_view variant, std::string_view cache);

struct Cell {
  CellKey key;
  std::string absent;  // why there is no time; empty: there is one
  Timing timing;
  int64_t bytes = 0;      // that must move
  double roof_share = 0;  // of the rate of copying
  std::string sources;    // SourcesOf the steps
  std::vector<std::string> kernels;
};

struct MeasuredDevice {
  std::string kind, name, arch;
  int threads = 0;  // of a CPU
  double copy_gb_s = 0;
};

struct Results {
  MeasuredDevice device;
  std::string command, date, commit;
  std::vector<Cell> cells;
};

std::string ToJson(const Results& results);
// `name` stands for the text in errors.
Result<Results> ParseResults(std::string_view json, const std::string& name);
Result<Results> LoadResults(const std::string& path);
// Another file beside it takes its place at once: whoever stops this leaves the old or the new.
Status SaveResults(const Results& results, const std::string& path);
Status SaveText(std::string_view text, const std::string& path);

}  // namespace rw::bench
