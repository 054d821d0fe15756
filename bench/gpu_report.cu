#include <algorithm>
#include <cstdio>
#include <map>

#include "gpu_report.h"

namespace rw::bench {
namespace {

// The time that the roofs ask for, over the time that it took.
double ShareOfRoof(const Roofs& roofs, const Result& result) {
  const double bandwidth = result.of.reads ? roofs.read_bytes_per_s : roofs.copy_bytes_per_s;
  const double bytes_s = static_cast<double>(result.of.bytes) / bandwidth;
  const double flops_s = static_cast<double>(result.of.flops) / roofs.matrix_flop_per_s;
  return std::max(bytes_s, flops_s) / (1e-6 * result.cold->median_us);
}

std::string Micros(double us) {
  return fmt::format("{:.{}f}", us, us < 10 ? 2 : us < 1000 ? 1 : 0);
}

using Row = std::map<int64_t, const Result*>;  // by n

// Results of one group, in the order in which they were measured.
struct Group {
  std::vector<int64_t> counts;
  std::vector<std::pair<std::string, std::vector<std::pair<std::string, Row>>>> shapes;
};

template <class T>
T& At(std::vector<std::pair<std::string, T>>& list, const std::string& key) {
  for (auto& [name, value] : list) {
    if (name == key) return value;
  }
  return list.emplace_back(key, T{}).second;
}

void PrintLine(std::string_view shape, std::string_view variant, const Group& group, const Row& row,
               const std::function<std::string(const Result& result)>& cell) {
  fmt::print("{:<16}{:<12}", shape, variant);
  for (const int64_t n : group.counts) {
    const auto it = row.find(n);
    const bool known = it != row.end() && it->second->cold;
    fmt::print("{:>7}", known ? cell(*it->second) : "-");
  }
  fmt::print("\n");
}

void PrintGroup(const Report& report, std::string_view name, const Group& group) {
  fmt::print("\n{:<25}n =", name);
  for (const int64_t n : group.counts) fmt::print("{:>7}", n);
  fmt::print("\n");
  for (const auto& [shape, variants] : group.shapes) {
    for (const auto& [variant, row] : variants) {
      PrintLine(shape, variant, group, row,
                [](const Result& result) { return Micros(result.cold->median_us); });
    }
    PrintLine(shape, "% of roof", group, variants.front().second, [&](const Result& result) {
      return fmt::format("{:.0f}%", 100 * ShareOfRoof(report.roofs, result));
    });
  }
}

std::string Json(const std::optional<Timing>& timing) {
  if (!timing) return "null";
  return fmt::format(R"({{"median_us": {:.4f}, "min_us": {:.4f}, "max_us": {:.4f}, "samples": {}, )"
                     R"("launches": {}}})",
                     timing->median_us, timing->min_us, timing->max_us, timing->samples,
                     timing->launches);
}

std::string Json(const Roofs& roofs, const Result& result) {
  const Case& of = result.of;
  std::string text = fmt::format(
      R"({{"group": "{}", "shape": "{}", "n": {}, "variant": "{}", "early": {}, "bytes": {}, )"
      R"("flops": {}, "sets": {}, "cold": {}, "hot": {})",
      of.group, of.shape, of.n, of.variant, of.early, of.bytes, of.flops, result.sets,
      Json(result.cold), Json(result.hot));
  if (result.cold) {
    const double seconds = 1e-6 * result.cold->median_us;
    text += fmt::format(
        R"(, "gb_per_s": {:.1f}, "tflop_per_s": {:.2f}, "roof": "{}", "share_of_roof": {:.4f})",
        1e-9 * static_cast<double>(of.bytes) / seconds,
        1e-12 * static_cast<double>(of.flops) / seconds, of.reads ? "read" : "copy",
        ShareOfRoof(roofs, result));
  }
  return text + "}";
}

std::string Json(const Gpu& gpu) {
  int driver = 0, runtime = 0;
  CheckCuda(cudaDriverGetVersion(&driver));
  CheckCuda(cudaRuntimeGetVersion(&runtime));
  return fmt::format(
      R"({{"name": "{}", "compute_capability": "{}.{}", "multiprocessors": {}, "l2_bytes": {}, )"
      R"("memory_bytes": {}, "cuda_driver": {}, "cuda_runtime": {}}})",
      gpu.properties.name, gpu.properties.major, gpu.properties.minor,
      gpu.properties.multiProcessorCount, gpu.properties.l2CacheSize, gpu.properties.totalGlobalMem,
      driver, runtime);
}

std::string Json(const Roofs& roofs) {
  return fmt::format(
      R"({{"copy_gb_per_s": {:.1f}, "read_gb_per_s": {:.1f}, "matrix_bf16_tflop_per_s": {:.1f}, )"
      R"("empty_kernel_us": {:.3f}, "empty_kernel_early_us": {:.3f}}})",
      1e-9 * roofs.copy_bytes_per_s, 1e-9 * roofs.read_bytes_per_s, 1e-12 * roofs.matrix_flop_per_s,
      roofs.empty_us, roofs.empty_early_us);
}

}  // namespace

void PrintTable(const Report& report) {
  const Roofs& roofs = report.roofs;
  fmt::print("{}: copy {:.0f} GB/s, read {:.0f} GB/s, bf16 {:.0f} TFLOP/s, empty kernel {:.2f} us",
             report.gpu.properties.name, 1e-9 * roofs.copy_bytes_per_s,
             1e-9 * roofs.read_bytes_per_s, 1e-12 * roofs.matrix_flop_per_s, roofs.empty_us);
  fmt::print(" ({:.2f} launched early)\n", roofs.empty_early_us);
  if (report.naive_agrees) {
    fmt::print("the naive rope kernel gives {} bits\n",
               *report.naive_agrees ? "the same" : "OTHER");
  }
  fmt::print("microseconds a call, median, operands not in the L2; % of roof of the first row\n");
  std::vector<std::pair<std::string, Group>> groups;
  for (const Result& result : report.results) {
    Group& group = At(groups, result.of.group);
    if (std::ranges::find(group.counts, result.of.n) == group.counts.end()) {
      group.counts.push_back(result.of.n);
    }
    At(At(group.shapes, result.of.shape), result.of.variant)[result.of.n] = &result;
  }
  for (auto& [name, group] : groups) {
    std::ranges::sort(group.counts);
    PrintGroup(report, name, group);
  }
  const auto missing =
      std::ranges::count_if(report.results, [](const Result& r) { return !r.cold; });
  fmt::print("\n{} cases, {} of them without a kernel, in {:.1f} s\n", report.results.size(),
             missing, report.seconds);
}

void WriteJson(const Report& report, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) {
    fmt::print(stderr, "{}: cannot be written\n", path);
    return;
  }
  fmt::print(file, "{{\n\"device\": {},\n\"roofs\": {},\n", Json(report.gpu), Json(report.roofs));
  const auto agrees = report.naive_agrees;
  fmt::print(file, "\"naive_rope_agrees\": {},\n", !agrees ? "null" : *agrees ? "true" : "false");
  fmt::print(file, "\"seconds\": {:.1f},\n\"cases\": [", report.seconds);
  std::string_view between = "\n";
  for (const Result& result : report.results) {
    fmt::print(file, "{}{}", between, Json(report.roofs, result));
    between = ",\n";
  }
  fmt::print(file, "\n]\n}}\n");
  std::fclose(file);
}

}  // namespace rw::bench
