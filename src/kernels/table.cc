// Every kernel row of this build, gathered from the families that own them.
#include <vector>

#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/kernel.h"
#if defined(RW_CUDA)
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/native.h"
#include "kernels/gpu/gpu.h"
#endif

namespace rw {

std::span<const KernelRow> KernelTable() {
  static const std::vector<KernelRow> table = [] {
    std::vector<KernelRow> rows;
    for (const auto family : {
           simd::ElementwiseRows(), simd::RowOpRows(), simd::NormRows(), simd::LinearRows(),
               simd::RopeRows(), simd::AttentionRows(), reference::ElementwiseRows(),
               reference::RowOpRows(), reference::NormRows(), reference::LinearRows(),
               reference::RopeRows(), reference::AttentionRows(),
#if defined(RW_CUDA)
               cuda::LinearRows(), gpu::ElementwiseRows(), gpu::RowOpRows(), gpu::SampleRows(),
               gpu::NormRows(), gpu::LinearRows(), gpu::FusedLinearRows(), gpu::RopeRows(),
               gpu::AttentionRows(),
#endif
         }) {
      rows.insert(rows.end(), family.begin(), family.end());
    }
    return rows;
  }();
  return table;
}

std::span<const KernelRow* const> NativeRows() {
  static const KernelRow* const rows[] = {
    &simd::kNativeRow,
    &reference::kNativeRow,
#if defined(RW_CUDA)
    &cuda::NativeKernel(),
#endif
  };
  return rows;
}

}  // namespace rw
