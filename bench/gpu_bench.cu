// Times the kernels for NVIDIA GPUs inside CUDA graphs, beside the device's roofs and beside
// baselines in the same run.
//
//   gpu_bench [--filter TEXT] [--json FILE] [--quick] [--verbose]
//
// --filter takes the cases whose name holds TEXT: group/shape/n=N/variant, as --verbose prints
// them. Each case is timed with operands that are not in the L2 (several sets take turns) and, if a
// set fits, with one set that is.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "gpu_report.h"

namespace rw::bench {
namespace {

constexpr int64_t kArenaBytes = int64_t{8} << 30;

struct Options {
  std::string filter, json;
  bool quick = false, verbose = false;
};

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--quick") {
      options.quick = true;
    } else if (flag == "--verbose") {
      options.verbose = true;
    } else if ((flag == "--filter" || flag == "--json") && i + 1 < argc) {
      (flag == "--filter" ? options.filter : options.json) = argv[++i];
    } else {
      fmt::print(stderr, "gpu_bench [--filter TEXT] [--json FILE] [--quick] [--verbose]\n");
      std::exit(2);
    }
  }
  return options;
}

Cases ChooseCases(const Options& options) {
  Cases cases;
  AddRopeCases(options.quick, cases);
  AddRowCases(options.quick, cases);
  AddLinearCases(options.quick, cases);
  AddAttentionCases(options.quick, cases);
  std::erase_if(cases,
                [&](const Case& c) { return c.name().find(options.filter) == std::string::npos; });
  return cases;
}

// As many sets of operands as take turns in a graph, fewer if those are many times the L2.
int SetsFor(const Gpu& gpu, const Case& c) {
  const int64_t enough = 8 * gpu.queue.l2_bytes / c.bytes + 1;
  return static_cast<int>(std::min<int64_t>(enough, Timer::kLaunches));
}

Result Measure(const Gpu& gpu, const Case& c, Arena& arena, Timer& timer) {
  Result result{c};
  arena.Reset();
  arena.SetSeed(1);
  std::vector<Work> works;
  for (int set = 0; set < SetsFor(gpu, c); ++set) {
    Work work = c.make(arena);
    if (!work) return result;
    works.push_back(std::move(work));
  }
  gpu::Queue queue = gpu.queue;
  queue.overlap = queue.overlap && c.early;
  queue.bounds = c.bounds;
  result.sets = static_cast<int>(works.size());
  result.cold = timer.Time(works, queue, Caches::kCold);
  works.resize(1);
  if (2 * c.bytes <= queue.l2_bytes) result.hot = timer.Time(works, queue, Caches::kHot);
  return result;
}

int Main(int argc, char** argv) {
  const auto begin = std::chrono::steady_clock::now();
  const Options options = ParseOptions(argc, argv);
  const Cases cases = ChooseCases(options);
  const Gpu gpu = OpenGpu();
  Arena arena(kArenaBytes, gpu.queue.stream);
  Timer timer(gpu);
  SetCurrentCase("roofs");
  Report report{gpu, MeasureRoofs(gpu, arena, timer)};
  SetCurrentCase("the naive rope kernel's bits");
  report.naive_agrees = NaiveRopeAgrees(gpu, arena);
  const auto save = [&] {
    report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!options.json.empty()) WriteJson(report, options.json);
  };
  for (const Case& c : cases) {
    // What is done so far survives a kernel that fails.
    if (!report.results.empty() && report.results.back().of.shape != c.shape) save();
    SetCurrentCase(c.name());
    if (options.verbose) fmt::print(stderr, "{}\n", c.name());
    report.results.push_back(Measure(gpu, c, arena, timer));
  }
  save();
  PrintTable(report);
  return report.naive_agrees.value_or(true) ? 0 : 1;
}

}  // namespace
}  // namespace rw::bench

int main(int argc, char** argv) { return rw::bench::Main(argc, argv); }
