// What kind of machine a plan is for, as facts: read from this machine or given by name, so that
// any decision can be asked for anywhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "kernels/kernel.h"

namespace rw {

struct Platform {
  Device device = Device::kCpu;
  std::string arch;                   // "x86-64", "aarch64"; "sm90"; "gfx950"
  std::vector<std::string> features;  // "avx512"; "flashinfer"; "aiter"

  bool Has(std::string_view feature) const;
  // 90 for sm90; 0 if this is no CUDA platform.
  int compute_capability() const;
  // vLLM's family of SM100: 10.x.
  bool is_sm100_family() const { return compute_capability() / 10 == 10; }
  bool operator==(const Platform&) const = default;
};

std::string ToString(const Platform& platform);  // "cpu:x86-64,avx2,avx512", "rocm:gfx950,aiter"

// "cpu", "cpu:avx512", "cuda:sm90,flashinfer", "rocm:gfx950,aiter". The error lists what is known.
Result<Platform> ParsePlatform(std::string_view text);

// The CPU this program runs on.
Platform ThisMachine();

}  // namespace rw
