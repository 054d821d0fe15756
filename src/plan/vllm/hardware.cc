#include "plan/vllm/hardware.h"

#include <algorithm>
#include <array>

namespace rw::vllm {
namespace {

using enum Knob;
constexpr int64_t kMiB = int64_t{1} << 20;

constexpr PlatformGate kGates[] = {
    {kEnableQkNormRopeFusion, true, "qk-norm-rope-needs-gpu",
     "enable_qk_norm_rope_fusion exists on CUDA, ROCm and XPU alone; it is switched off"},
    {kFuseActPadding, false, "act-padding-needs-rocm",
     "fuse_act_padding exists on ROCm alone; it is switched off"},
    {kFuseMlaDualRmsNorm, false, "mla-dual-rms-needs-rocm",
     "fuse_mla_dual_rms_norm exists on ROCm alone; it is switched off"},
    {kFuseRopeKvcache, false, "rope-kvcache-needs-rocm",
     "fuse_rope_kvcache exists on ROCm alone; it is switched off"},
    {kFuseQkNormRopeKvcache, false, "qk-norm-rope-kvcache-needs-rocm",
     "fuse_qk_norm_rope_kvcache exists on ROCm alone; it is switched off"},
    {kFuseRopeKvcacheCatMla, true, "rope-kvcache-cat-mla-needs-gpu",
     "fuse_rope_kvcache_cat_mla exists on CUDA and ROCm alone; it is switched off"},
};

// By exact compute capability and number of devices.
struct FlashInferRow {
  int capability;
  int64_t devices;
  double max_mb;
};
constexpr FlashInferRow kFlashInfer[] = {
    {90, 2, 64},   {90, 4, 2},   {90, 8, 0.5}, {100, 2, 64}, {100, 4, 32},  {100, 8, 1},
    {100, 16, 64}, {103, 2, 64}, {103, 4, 64}, {103, 8, 2},  {103, 16, 64},
};
constexpr std::array<int64_t, 4> kFlashInferDevices = {2, 4, 8, 16};

// Half of AITER's buffer for its own all-reduce.
constexpr int64_t kAiterAllreduceBytes = 64 * kMiB;

struct SpRow {
  Device device;
  int capability;  // 100 stands for the family 10.x; 0 on ROCm, which has none
  int64_t min_hidden_size;
  int64_t mb_per_device;
};
// The row of ROCm is what the recorded cases hold. It may come from how they were recorded: the
// function that vLLM's source shows has no row for ROCm.
constexpr SpRow kSp[] = {
    {Device::kCuda, 90, 8192, 8}, {Device::kCuda, 100, 8192, 32}, {Device::kRocm, 0, 8192, 8}};

int64_t BytesOfToken(const Facts& facts) {
  return std::max<int64_t>(1, facts.hidden_size * static_cast<int64_t>(SizeOf(facts.dtype)));
}

std::optional<int64_t> FlashInferMaxBytes(const State& state) {
  const int64_t devices = state.facts().tensor_parallel_size;
  if (std::ranges::find(kFlashInferDevices, devices) == kFlashInferDevices.end()) return {};
  const auto* asked = state.Find<double>(kFiAllreduceFusionMaxSizeMb);
  const std::optional<double> mb =
      asked != nullptr ? *asked : FlashInferMaxMb(state.facts().platform, devices);
  if (!mb) return std::nullopt;
  return static_cast<int64_t>(*mb * static_cast<double>(kMiB));
}

}  // namespace

std::span<const PlatformGate> PlatformGates() { return kGates; }

bool AiterAsked(const Platform& platform) {
  return platform.device == Device::kRocm && platform.Has("aiter");
}

bool AiterEnabled(const Platform& platform) {
  return AiterAsked(platform) && (platform.arch == "gfx942" || platform.arch == "gfx950");
}

bool IsRdna4(const Platform& platform) {
  return platform.device == Device::kRocm && platform.arch.starts_with("gfx12");
}

std::optional<double> FlashInferMaxMb(const Platform& platform, int64_t devices) {
  for (const FlashInferRow& row : kFlashInfer) {
    if (row.capability == platform.compute_capability() && row.devices == devices) {
      return row.max_mb;
    }
  }
  return std::nullopt;
}

std::optional<int64_t> AllreduceMaxTokens(const State& state) {
  const std::optional<int64_t> bytes = AiterEnabled(state.facts().platform)
                                           ? std::optional(kAiterAllreduceBytes)
                                           : FlashInferMaxBytes(state);
  if (!bytes) return std::nullopt;
  return *bytes / BytesOfToken(state.facts());
}

std::optional<int64_t> SpMinTokens(const Facts& facts) {
  const int capability =
      facts.platform.is_sm100_family() ? 100 : facts.platform.compute_capability();
  for (const SpRow& row : kSp) {
    if (row.device != facts.platform.device || row.capability != capability) continue;
    if (facts.hidden_size < row.min_hidden_size) return std::nullopt;
    return row.mb_per_device * kMiB * facts.tensor_parallel_size / BytesOfToken(facts);
  }
  return std::nullopt;
}

}  // namespace rw::vllm
