// What vLLM knows of machines, as tables: which of its kernels exist where, and up to which size.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "plan/vllm/state.h"

namespace rw::vllm {

// A fusion that vLLM drops from a request where the platform has no kernel for it.
struct PlatformGate {
  Knob knob;
  bool on_cuda;  // all of them exist on ROCm, none on a CPU
  std::string_view code;
  std::string_view message;
};
std::span<const PlatformGate> PlatformGates();

// VLLM_ROCM_USE_AITER is set. vLLM's providers of rms_norm look at no more than that.
bool AiterAsked(const Platform& platform);
// AITER is in use: asked for, and the machine is CDNA3 or newer.
bool AiterEnabled(const Platform& platform);
bool IsRdna4(const Platform& platform);

// MB up to which FlashInfer joins an all-reduce and a norm; none where it has no such kernel.
std::optional<double> FlashInferMaxMb(const Platform& platform, int64_t devices);
// Tokens of a step up to which all-reduce and norm are joined; none: at no size.
std::optional<int64_t> AllreduceMaxTokens(const State& state);
// Tokens of a step from which sequence parallelism pays; none: at no size on this machine.
std::optional<int64_t> SpMinTokens(const Facts& facts);

}  // namespace rw::vllm
