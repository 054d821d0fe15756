#include "plan/platform.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hwy/targets.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "base/text.h"

namespace rw {
namespace {

// Adding a platform is adding a row.
struct PlatformRow {
  std::string_view name;
  Device device;
  std::vector<std::string_view> archs;
  std::vector<std::string_view> features;
};

const std::vector<PlatformRow>& Rows() {
  static const std::vector<PlatformRow> rows = {
      {"cpu", Device::kCpu, {"x86-64", "aarch64"}, {"avx2", "avx512", "neon"}},
      {"cuda",
       Device::kCuda,
       {"sm70", "sm75", "sm80", "sm86", "sm87", "sm89", "sm90", "sm100", "sm103", "sm110", "sm120",
        "sm121"},
       {"flashinfer"}},
      {"rocm",
       Device::kRocm,
       {"gfx90a", "gfx942", "gfx950", "gfx1100", "gfx1101", "gfx1200", "gfx1201"},
       {"aiter"}},
  };
  return rows;
}

// Highway's targets that stand for a feature by which plans differ.
struct CpuFeature {
  int64_t target;
  std::string_view name;
};
constexpr CpuFeature kCpuFeatures[] = {
    {HWY_AVX2, "avx2"}, {HWY_AVX3, "avx512"}, {HWY_NEON, "neon"}};

#if defined(__aarch64__)
constexpr std::string_view kThisArch = "aarch64";
#else
constexpr std::string_view kThisArch = "x86-64";
#endif

std::string KnownPlatforms() {
  std::string text;
  for (const PlatformRow& row : Rows()) {
    text += fmt::format("{}{}:ARCH with ARCH one of {} and features {}", text.empty() ? "" : "; ",
                        row.name, fmt::join(row.archs, " "), fmt::join(row.features, " "));
  }
  return text;
}

bool Contains(const std::vector<std::string_view>& list, std::string_view item) {
  return std::ranges::find(list, item) != list.end();
}

}  // namespace

bool Platform::Has(std::string_view feature) const {
  return std::ranges::find(features, feature) != features.end();
}

int Platform::compute_capability() const {
  if (device != Device::kCuda || !arch.starts_with("sm")) return 0;
  int number = 0;
  std::from_chars(arch.data() + 2, arch.data() + arch.size(), number);
  return number;
}

std::string ToString(const Platform& platform) {
  std::string text = fmt::format("{}:{}", Name(platform.device), platform.arch);
  for (const std::string& feature : platform.features) text += "," + feature;
  return text;
}

Result<Platform> ParsePlatform(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  for (const PlatformRow& row : Rows()) {
    if (row.name != name) continue;
    Platform platform{row.device, std::string(row.archs[0]), {}};
    if (colon == std::string_view::npos) {
      if (row.device == Device::kCpu) return ThisMachine();
      return Err("--platform {}: expected an architecture too, as in {}:{}", name, name,
                 row.archs[row.archs.size() / 2]);
    }
    std::string_view rest = text.substr(colon + 1);
    bool arch_given = row.device == Device::kCpu;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      const std::string_view item = rest.substr(0, comma);
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
      if (Contains(row.archs, item)) {
        platform.arch = item;
        arch_given = true;
      } else if (Contains(row.features, item)) {
        if (!platform.Has(item)) platform.features.emplace_back(item);
      } else {
        return Err("--platform {}: unknown {}; expected one of {}, features {}", text, item,
                   fmt::join(row.archs, " "), fmt::join(row.features, " "));
      }
    }
    if (!arch_given)
      return Err("--platform {}: expected one of {}", text, fmt::join(row.archs, ", "));
    return platform;
  }
  return Err("--platform {}: expected {}", text, KnownPlatforms());
}

Platform ThisMachine() {
  Platform platform{Device::kCpu, std::string(kThisArch), {}};
  const int64_t targets = hwy::SupportedTargets();
  for (const CpuFeature& feature : kCpuFeatures) {
    if ((targets & feature.target) != 0) platform.features.emplace_back(feature.name);
  }
  return platform;
}

}  // namespace rw
