#include "native/gpu_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "native/gpu_mapping.h"
#include "native/gpu_part.h"
#include "native/gpu_prelude.h"

namespace rw::native {
namespace {

constexpr int64_t kLeastThreads = 128;  // of a block
constexpr int64_t kHeadsOfThread[kGpuVariants] = {1, 1, 2};
// As kernels/gpu/rope.cu measured: what sums or converts takes more time of its own, and wants more
// threads before they share angles.
constexpr int64_t kLightThreads = 320, kHeavyThreads = 1024;

int64_t HeadsOf(const Part& part, size_t variant) {
  return std::min(part.heads, kHeadsOfThread[variant]);
}

int64_t ThreadsOf(const std::vector<GpuMapping>& maps) {
  int64_t threads = kLeastThreads;
  for (const GpuMapping& map : maps) {
    if (map.sums != GpuMapping::Sums::kNone) threads = std::max(threads, map.group);
  }
  return threads;
}

bool Caches(const Program& program) {
  return std::ranges::any_of(program.parts, [](const Part& part) {
    return std::ranges::count(part.code, Code::kStoreCache, &Instr::code) > 0;
  });
}

int64_t AlignmentOf(DType dtype) {
  return std::min<int64_t>(16, kOctet * static_cast<int64_t>(SizeOf(dtype)));
}

std::vector<GpuSource::PortRule> PortRules(const Program& program) {
  std::vector<GpuSource::PortRule> rules(program.in.size() + program.out.size());
  for (const Part& part : program.parts) {
    for (const Instr& instr : part.code) {
      if (instr.code != Code::kLoad && instr.code != Code::kStore) continue;
      const bool store = instr.code == Code::kStore;
      const auto port = static_cast<size_t>(instr.port);
      GpuSource::PortRule& rule = rules[port + (store ? program.in.size() : 0)];
      rule.alignment = AlignmentOf((store ? program.out : program.in)[port].dtype);
      rule.strides |= instr.rows != Rows::kShared;
    }
  }
  return rules;
}

bool IsHeavy(const Program& program, const std::vector<GpuMapping>& maps) {
  const auto sums = [](const GpuMapping& map) { return map.sums != GpuMapping::Sums::kNone; };
  const bool converts = Caches(program) && std::ranges::none_of(program.in, [&](const Port& port) {
                          return port.dtype == program.cache;
                        });
  return converts || std::ranges::any_of(maps, sums);
}

// Which part a block works for, and the kernels.
void WriteKernels(const Program& program, int64_t shared_words, GpuSource& source) {
  std::string& text = source.text;
  text += "template <bool kWhole, int kHeads>\nDEVICE void Run(const Params& p) {\n";
  text += shared_words > 0 ? fmt::format("  __shared__ float shared[{}];\n", shared_words)
                           : "  float* const shared = nullptr;\n";
  for (size_t i = 0; i < program.parts.size(); ++i) {
    if (i + 1 < program.parts.size()) {
      text += fmt::format("  if (blockIdx.x < p.launch.first[{}])\n  ", i + 1);
    }
    text += fmt::format(
        "  return Part{}<kWhole, {}>(p, (blockIdx.x - p.launch.first[{}]) * {} + threadIdx.x, "
        "shared);\n",
        i, program.parts[i].heads == 1 ? "1" : "kHeads", i, source.threads);
  }
  text += "}\n";
  for (size_t v = 0; v < kGpuVariants; ++v) {
    if (!source.has[v]) continue;
    const bool whole = static_cast<GpuVariant>(v) != GpuVariant::kElements;
    text += fmt::format(
        "extern \"C\" __global__ void __launch_bounds__({}) {}(const GRID_CONSTANT Params p) {{\n"
        "  Run<{}, {}>(p);\n}}\n",
        source.threads, kGpuVariantNames[v], whole, kHeadsOfThread[v]);
  }
}

}  // namespace

GpuSource WriteGpuSource(const Program& program) {
  const size_t ports = program.in.size() + program.out.size();
  RW_CHECK(!program.parts.empty() && program.parts.size() <= kMaxGpuParts, "{} parts",
           program.parts.size());
  RW_CHECK(ports <= kMaxGpuPorts, "{} ports", ports);
  std::vector<GpuMapping> maps;
  for (const Part& part : program.parts) maps.push_back(MapPart(part));

  GpuSource source;
  source.threads = static_cast<int>(ThreadsOf(maps));
  const bool whole = std::ranges::all_of(maps, &GpuMapping::whole);
  const bool heads =
      std::ranges::any_of(program.parts, [](const Part& part) { return part.heads > 1; });
  source.has = {true, whole, whole && heads};
  source.ports = PortRules(program);
  source.caches = Caches(program);
  if (source.caches) source.cache_alignment = AlignmentOf(program.cache);
  source.few_threads = IsHeavy(program, maps) ? kHeavyThreads : kLightThreads;

  source.text =
      fmt::format("{}{}\n{}\nstruct Params {{\n  GpuLaunch launch;\n  GpuPort port[{}];\n}};\n\n",
                  kGpuNames, kGpuParamsText, kGpuPrelude, ports);
  int64_t shared_words = 0;
  for (size_t i = 0; i < program.parts.size(); ++i) {
    const Part& part = program.parts[i];
    GpuSource::PartLaunch launch{part.counted, {}};
    for (size_t v = 0; v < kGpuVariants; ++v) {
      const int64_t each = HeadsOf(part, v);
      launch.threads[v] = (part.heads + each - 1) / each * maps[i].group;
    }
    source.parts.push_back(launch);
    shared_words = std::max(shared_words, SharedWordsOf(part, maps[i], source.threads));
    source.text += WritePart(program, i, maps[i], source.threads) + "\n";
  }
  RW_CHECK(shared_words * 4 <= 48 << 10, "{} words of shared memory", shared_words);
  WriteKernels(program, shared_words, source);
  return source;
}

}  // namespace rw::native
