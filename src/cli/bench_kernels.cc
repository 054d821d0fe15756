#include "cli/bench_kernels.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "bench/results.h"
#include "bench/run_matrix.h"
#include "cli/bench.h"
#include "cli/kernels_page.h"
#include "cli/progress.h"
#include "plan/platform.h"
#include "runtime/device.h"

namespace rw {
namespace {

constexpr std::string_view kResume = " --resume";

struct Flags {
  AxisFlags axes;
  ModelFlags device;  // --device, --threads
  std::string json, html;
  double time_per_case = bench::MatrixRequest().seconds_per_case;
  bool resume = false;
  std::string command;
};

// Whether Ctrl-C came since this began; a second one ends the program.
class Interrupt {
 public:
  Interrupt() {
    came_ = 0;
    std::signal(SIGINT, [](int) {
      came_ = 1;
      std::signal(SIGINT, SIG_DFL);
    });
  }
  ~Interrupt() { std::signal(SIGINT, SIG_DFL); }
  static bool came() { return came_ != 0; }

 private:
  static inline volatile std::sig_atomic_t came_ = 0;
};

// "AMD EPYC 7763 64-Core Processor"
std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

bench::MeasuredDevice Describe(const ComputeDevice& device, const ThreadPool& pool) {
  if (device.kind() == Device::kCpu) {
    const Platform machine = ThisMachine();
    std::string arch = machine.arch;
    for (const std::string& feature : machine.features) arch += "," + feature;
    return {"cpu", ProcessorName(), std::move(arch), pool.threads(), 0};
  }
  std::string arch = device.arch();
  if (arch.starts_with("sm")) arch.insert(2, "_");  // as NVIDIA writes it
  return {std::string(Name(device.kind())), device.name(), std::move(arch), 0, 0};
}

// The commands that made a file, in turn; one that went on with --resume is told once.
std::string Joined(const std::string& before, const std::string& now) {
  std::string first = now;
  if (const size_t at = first.find(kResume); at != std::string::npos)
    first.erase(at, kResume.size());
  if (before.empty()) return now;
  return before.ends_with(first) || before.ends_with(now) ? before : before + " && " + now;
}

// What is there already, of the same device; nothing without --resume.
Result<bench::Results> Begin(const Flags& flags, const bench::MeasuredDevice& device) {
  bench::Results results;
  if (flags.resume && std::filesystem::exists(flags.json)) {
    RW_ASSIGN(results, bench::LoadResults(flags.json));
    if (results.device.name != device.name || results.device.arch != device.arch ||
        results.device.threads != device.threads) {
      return Err("{}: measured on {} ({}, {} threads), and this is {} ({}, {} threads)", flags.json,
                 results.device.name, results.device.arch, results.device.threads, device.name,
                 device.arch, device.threads);
    }
  }
  results.device = device;
  results.command = Joined(results.command, flags.command);
  results.commit = RW_COMMIT;
  results.date = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)));
  return results;
}

std::string ShapeOf(const bench::CellKey& key) {
  std::string shape =
      key.hq > 0 ? fmt::format("{}/{}x{}", key.hq, key.hk, key.d) : fmt::format("{}", key.width);
  if (key.dtype != "bfloat16") shape += " " + key.dtype;
  if (!key.kv_dtype.empty() && key.kv_dtype != key.dtype) shape += " over " + key.kv_dtype;
  if (key.kv_layout == "NHD") shape += " NHD";
  return shape;
}

// A line for each call: the times of its variants.
void Print(const bench::Results& results) {
  std::vector<std::string> order;
  std::map<std::string, std::string> lines;
  for (const bench::Cell& cell : results.cells) {
    const std::string call = fmt::format("{:<30} {:<28} {:>6} {:<5}", cell.key.op,
                                         ShapeOf(cell.key), cell.key.tokens, cell.key.cache);
    const auto [it, fresh] = lines.emplace(call, "");
    if (fresh) order.push_back(call);
    it->second += cell.absent.empty() ? fmt::format("  {} {:.2f} us ({:.0f} %)", cell.key.variant,
                                                    cell.timing.median_us, cell.roof_share * 100)
                                      : fmt::format("  {} -", cell.key.variant);
  }
  fmt::print("{} ({}), copying {:.1f} GB/s; medians, and their share of that rate\n",
             results.device.name, results.device.arch, results.device.copy_gb_s);
  for (const std::string& call : order) fmt::print("{}{}\n", call, lines[call]);
}

Status Write(const Flags& flags, const bench::Results& results) {
  if (!flags.json.empty()) RW_TRY(bench::SaveResults(results, flags.json));
  if (!flags.html.empty()) RW_TRY(bench::SaveText(KernelsPage(results), flags.html));
  return {};
}

Result<int> BenchKernels(const Flags& flags) {
  if (flags.resume && flags.json.empty()) return Err("--resume: expected --json FILE beside it");
  RW_ASSIGN(const bench::Axes axes, AxesOf(flags.axes));
  RW_ASSIGN(const ModelOptions options, flags.device.ModelOnDevice(std::nullopt));
  ThreadPool pool(flags.device.Threads());
  RW_ASSIGN(bench::Results results, Begin(flags, Describe(*options.device, pool)));
  const Interrupt interrupt;
  ProgressBar bar("measuring", ProgressBar::Unit::kCount);
  const bench::MatrixHooks hooks{.progress =
                                     [&](int64_t done, int64_t total) {
                                       bar.Update(static_cast<uint64_t>(done),
                                                  static_cast<uint64_t>(total));
                                     },
                                 .stop = Interrupt::came,
                                 .save = [&] { return Write(flags, results); }};
  RW_ASSIGN(const bool ended,
            bench::RunMatrix(options.device, pool, {axes, flags.time_per_case}, hooks, results));
  bar.Finish(fmt::format("{} results{}", results.cells.size(), ended ? "" : ", not all"));
  Print(results);
  if (!ended && !flags.json.empty()) {
    fmt::print(stderr, "stopped; --resume --json {} goes on from there\n", flags.json);
  }
  return ended ? 0 : 1;
}

// "ropewalk bench kernels --ops rope": what was given, as it would be typed again.
std::string CommandLine(const CLI::App& command) {
  std::string text = "ropewalk bench kernels";
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0) continue;
    text += fmt::format(" {}", option->get_name());
    const bool is_flag = option->get_items_expected_max() == 0;
    if (!is_flag) text += fmt::format(" {}", fmt::join(option->results(), ","));
  }
  return text;
}

template <class T, class Parse>
Status ReadAxis(const std::vector<std::string>& texts, const Parse& parse, std::vector<T>& axis) {
  if (texts.empty()) return {};
  axis.clear();
  for (const std::string& text : texts) {
    RW_ASSIGN(T value, parse(text));
    axis.push_back(std::move(value));
  }
  return {};
}

Status ReadSizes(std::string_view flag, const std::vector<int64_t>& sizes,
                 std::vector<int64_t>& axis) {
  for (const int64_t size : sizes) {
    if (size < 1) return Err("{}: expected whole numbers of 1 or more, found {}", flag, size);
  }
  if (!sizes.empty()) axis = sizes;
  return {};
}

template <class T>
void AddList(CLI::App& command, const char* name, std::vector<T>& values, const char* help) {
  command.add_option(name, values, help)->delimiter(',')->allow_extra_args(false);
}

void AddAxes(CLI::App& command, AxisFlags& axes) {
  command.add_flag("--full", axes.full,
                   "The whole matrix, which takes hours; the other flags narrow it down");
  AddList(command, "--ops", axes.ops, "Ops of src/ops, by name");
  AddList(command, "--variants", axes.variants,
          "fused: one kernel; expanded1, ...: written out in part; custom: in full, each op with "
          "its kernel; native: in full, as generated code");
  AddList(command, "--head-dims", axes.head_dims, "Elements of a head");
  AddList(command, "--heads", axes.heads, "Heads of q and of k, as 32/8");
  AddList(command, "--widths", axes.widths, "Elements of a row, of ops without heads");
  AddList(command, "--tokens", axes.tokens, "Tokens of a step");
  AddList(command, "--dtypes", axes.dtypes, "Of activations: bfloat16, float16, float32");
  AddList(command, "--kv-dtypes", axes.kv_dtypes, "Of the KV cache: same (as activations), fp8");
  AddList(command, "--kv-layouts", axes.kv_layouts, "Of a page of the KV cache: NHD, HND");
  AddList(command, "--cache", axes.caches,
          "hot: operands are in the last cache; cold: they are not");
}

}  // namespace

Result<bench::Axes> AxesOf(const AxisFlags& flags) {
  bench::Axes axes = flags.full ? bench::FullAxes() : bench::DefaultAxes();
  const auto one_of = [](std::string_view flag, std::vector<std::string> known) {
    return [=](const std::string& text) -> Result<std::string> {
      if (std::ranges::find(known, text) != known.end()) return text;
      return Err("{}: expected {}, found {}", flag, fmt::join(known, ", "), text);
    };
  };
  const std::vector<std::string> variants = {"fused", "expanded1", "expanded2", "custom", "native"};
  RW_TRY(ReadAxis(flags.ops, bench::ParseOp, axes.ops));
  RW_TRY(ReadAxis(flags.variants, one_of("--variants", variants), axes.variants));
  RW_TRY(ReadAxis(flags.heads, bench::ParseHeads, axes.heads));
  RW_TRY(ReadAxis(flags.dtypes, bench::ParseActivationDType, axes.dtypes));
  RW_TRY(ReadAxis(flags.kv_dtypes, bench::ParseKvDType, axes.kv_dtypes));
  RW_TRY(ReadAxis(flags.kv_layouts, one_of("--kv-layouts", {"NHD", "HND"}), axes.kv_layouts));
  RW_TRY(ReadAxis(flags.caches, one_of("--cache", {"hot", "cold"}), axes.caches));
  RW_TRY(ReadSizes("--head-dims", flags.head_dims, axes.head_dims));
  RW_TRY(ReadSizes("--widths", flags.widths, axes.widths));
  RW_TRY(ReadSizes("--tokens", flags.tokens, axes.tokens));
  for (const int64_t d : axes.head_dims) {
    if (d % 2 != 0) return Err("--head-dims: expected even numbers, found {}", d);
  }
  return axes;
}

CommandBody AddKernelsBench(CLI::App& bench) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = bench.add_subcommand(
      "kernels", "Each op fused, written out and as generated code, over shapes and step sizes");
  command->footer(
      "Examples:\n  ropewalk bench kernels --html kernels.html\n"
      "  ropewalk bench kernels --ops rope_kv_write --tokens 1,128,4096 --head-dims 64,128\n"
      "  ropewalk bench kernels --full --device cuda --json kernels.json --resume");
  AddAxes(*command, flags->axes);
  flags->device.AddDeviceAlone(*command);
  flags->device.AddThreads(*command);
  command->add_option("--json", flags->json, "Write the results there, every few seconds");
  command->add_option("--html", flags->html, "Write a page with heat maps of them there");
  command->add_flag("--resume", flags->resume,
                    "Keep what --json FILE has, unless the sources of its kernels have changed");
  command
      ->add_option("--time-per-case", flags->time_per_case,
                   "Seconds that each variant of a call is measured for")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  return [flags, command] {
    flags->command = CommandLine(*command);
    return BenchKernels(*flags);
  };
}

}  // namespace rw
