// Program -> source text for CUDA (NVRTC) and HIP (hipRTC), and what a launch of it needs.
//
// All parts of a program run in one launch: blocks are numbered through the parts. The text
// includes nothing. Everything known here is a constant in it; GpuParams has the rest.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "native/gpu_params.h"
#include "native/program.h"

namespace rw::native {

// The kernels of a source. They give the same bits.
enum class GpuVariant : uint8_t {
  kElements,  // any address: element by element
  kOctets,    // accesses of 16 bytes: addresses as GpuSource::ports says
  kTwoHeads,  // the same, two heads of a row to a thread: for many rows
};
inline constexpr std::array<std::string_view, 3> kGpuVariantNames = {"elements", "octets",
                                                                     "two_heads"};
inline constexpr size_t kGpuVariants = kGpuVariantNames.size();

struct GpuSource {
  std::string text;
  int threads = 0;  // of a block

  // Kernels that the text has.
  std::array<bool, kGpuVariants> has{};

  struct PartLaunch {
    int counted;  // Program::in, whose rows are the part's
    // Of a row. A part takes rows * threads / GpuSource::threads blocks, rounded up.
    std::array<int64_t, kGpuVariants> threads;
  };
  std::vector<PartLaunch> parts;

  // What kOctets asks of a port, in and then out.
  struct PortRule {
    int64_t alignment = 1;  // bytes, of the address
    bool strides = false;   // and of the distance between rows, where there are several
  };
  std::vector<PortRule> ports;
  bool caches = false;          // the program stores to the KV cache
  int64_t cache_alignment = 1;  // of its planes and strides, in bytes

  // kTwoHeads pays where kOctets would take more threads than so many for each multiprocessor.
  int64_t few_threads = 0;
};

// Limits: kMaxGpuParts and kMaxGpuPorts (checked).
GpuSource WriteGpuSource(const Program& program);

}  // namespace rw::native
