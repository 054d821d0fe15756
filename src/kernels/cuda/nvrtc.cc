#include "kernels/cuda/nvrtc.h"

#include <fmt/ranges.h>
#include <nvrtc.h>

#include <array>
#include <memory>
#include <type_traits>
#include <vector>

namespace rw::cuda {
namespace {

// As the kernels of this build are compiled: a fused multiply-add only where the source says fma.
constexpr std::array kFlags = {"--fmad=false", "--std=c++17"};

struct Destroy {
  void operator()(nvrtcProgram program) const { nvrtcDestroyProgram(&program); }
};
using OwnedProgram = std::unique_ptr<std::remove_pointer_t<nvrtcProgram>, Destroy>;

std::string FirstErrorOf(nvrtcProgram program) {
  size_t size = 0;
  if (nvrtcGetProgramLogSize(program, &size) != NVRTC_SUCCESS || size == 0) return "no message";
  std::string log(size, '\0');
  if (nvrtcGetProgramLog(program, log.data()) != NVRTC_SUCCESS) return "no message";
  return log.substr(0, log.find_first_of(std::string_view("\n\0", 2)));
}

}  // namespace

Result<std::string> CompileSource(const std::string& source, std::string_view arch) {
  nvrtcProgram made = nullptr;
  nvrtcResult result = nvrtcCreateProgram(&made, source.c_str(), "native.cu", 0, nullptr, nullptr);
  if (result != NVRTC_SUCCESS) {
    return Err("generated code: NVRTC: {}", nvrtcGetErrorString(result));
  }
  const OwnedProgram program(made);
  const std::string target = fmt::format("--gpu-architecture={}", arch);
  std::vector<const char*> flags(kFlags.begin(), kFlags.end());
  flags.push_back(target.c_str());
  result = nvrtcCompileProgram(made, static_cast<int>(flags.size()), flags.data());
  if (result != NVRTC_SUCCESS) {
    return Err("generated code for {}: {}: {}", arch, nvrtcGetErrorString(result),
               FirstErrorOf(made));
  }
  size_t size = 0;
  result = nvrtcGetCUBINSize(made, &size);
  std::string code(size, '\0');
  if (result == NVRTC_SUCCESS) result = nvrtcGetCUBIN(made, code.data());
  if (result != NVRTC_SUCCESS || code.empty()) {
    return Err("generated code for {}: no machine code: {}", arch, nvrtcGetErrorString(result));
  }
  return code;
}

std::string CompilerKey(std::string_view arch) {
  int major = 0;
  int minor = 0;
  nvrtcVersion(&major, &minor);
  return fmt::format("nvrtc {}.{} {} {}", major, minor, arch, fmt::join(kFlags, " "));
}

}  // namespace rw::cuda
