#include "plan/evidence.h"

#include <vector>

namespace rw {
namespace {

const std::vector<Measured>& Rows() {
  using enum Knob;
  static constexpr std::string_view kCpu = "bench/results/cpu-epyc-avx2-2core/fusions.json";
  static constexpr std::string_view kH200 = "bench/results/h200/fusions.json";
  static constexpr std::string_view kLinear = "bench/results/h200/linear_fusions.json";
  // Only what lies outside the spread of "nothing (noise)" in the same run: the float32 runs on the
  // CPU had one noise pair at +20 %, so they prove nothing.
  static const std::vector<Measured> rows = {
      {kMergeQkv, Device::kCpu, DType::kBF16, true,
       "tales-5m, generating: +5.4 % (+1.4 to +9.4), noise -0.1 %", kCpu},
      {kMergeGateUp, Device::kCpu, DType::kBF16, true,
       "tales-5m, generating: +3.1 % (+1.3 to +8.4), noise -0.1 %", kCpu},
      {kFuseRopeKvcache, Device::kCuda, DType::kBF16, true,
       "H200, prompts of 512: 8B +1.2 % (+0.9 to +1.7), 1B +2.6 % (+1.1 to +5.8); generating, "
       "fuse_linear_rope_kvcache going along: 8B -0.6 % (-0.8 to -0.4), 1B -0.3 % (-1.1 to +1.0)",
       kH200},
      {kFuseAddRmsNorm, Device::kCuda, DType::kBF16, true,
       "H200, batch 1, generating: 8B +1.4 % (+1.1 to +1.7), 1B +3.5 % (+2.8 to +3.7), noise -0.3 "
       "%",
       kH200},
      {kFuseActMul, Device::kCuda, DType::kBF16, true,
       "H200, batch 1, generating, fuse_linear_act_mul going along: 8B +3.5 % (+3.4 to +4.6), 1B "
       "+7.8 % (+7.4 to +7.9), noise -0.3 %",
       kH200},
      {kMergeQkv, Device::kCuda, DType::kBF16, true,
       "H200, batch 1, generating, fuse_linear_rope_kvcache going along: 8B +2.0 % (+1.8 to +2.4), "
       "1B +3.8 % (+3.7 to +4.1), noise -0.3 %",
       kH200},
      {kMergeGateUp, Device::kCuda, DType::kBF16, true,
       "H200, batch 1, generating, fuse_linear_act_mul going along: 8B +3.3 % (+3.0 to +3.5), 1B "
       "+9.6 % (+9.4 to +9.7), noise -0.3 %",
       kH200},
      {kFuseLinearRopeKvcache, Device::kCuda, DType::kBF16, true,
       "H200, batch 1, generating: 8B +2.7 % (+2.6 to +3.1), 1B +5.6 % (+5.4 to +5.7), noise -0.3 "
       "%",
       kH200},
      {kFuseLinearActMul, Device::kCuda, DType::kBF16, true,
       "H200, batch 1, generating: 8B +4.3 % (+4.1 to +4.5), 1B +11.7 % (+11.4 to +12.0), noise "
       "-0.3 %",
       kH200},
      {kFuseLinearAdd, Device::kCuda, DType::kBF16, false,
       "H200, ms a step with and without: 8B batch 1 4.061 and 4.025, batch 8 4.565 and 4.503, 1B "
       "batch 1 0.921 and 0.916",
       kLinear},
      {kFuseNormLinear, Device::kCuda, DType::kBF16, false,
       "H200, ms a step with and without, fuse_linear_add on: 8B batch 1 4.014 and 4.061, batch 8 "
       "4.832 and 4.565, 1B batch 1 0.926 and 0.921",
       kLinear},
  };
  return rows;
}

}  // namespace

std::span<const Measured> MeasuredRows() { return Rows(); }

const Measured* FindMeasured(Knob knob, Device device, DType dtype) {
  for (const Measured& row : Rows()) {
    if (row.knob == knob && row.device == device && row.dtype == dtype) return &row;
  }
  return nullptr;
}

}  // namespace rw
