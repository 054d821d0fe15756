#include "kernels/args.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/simd/work.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/norm.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/norm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

// Rows [begin, end); a sum is stored and normalised while its row is in the L1 cache.
template <class T, class W>
void NormRows(const NormArgs& args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const T* x = args.x.row<const T>(i);
    if (args.add != nullptr) {
      T* sum = args.sum->row<T>(i);
      Map(
          args.x.width(), sum, [](VF a, VF b) RW_INLINED { return hn::Add(a, b); }, x,
          args.add->row<const T>(i));
      x = sum;
    }
    for (int64_t j = 0; j < args.x.width(); j += args.h) {
      NormRow(args.style, x + j, args.w.row<const W>(0), args.eps, args.h, args.y.row<T>(i) + j);
    }
  }
}

void RmsNorm(const KernelCall& call) {
  const NormArgs args = ReadNorm(call);
  WithFloatType(args.x.dtype, [&]<class T>(T) {
    WithFloatType(args.w.dtype, [&]<class W>(W) {
      call.pool.ParallelFor(args.x.rows(), RowsPerTask(args.x.width()),
                            [&](int64_t begin, int64_t end) { NormRows<T, W>(args, begin, end); });
    });
  });
}

#else  // no vectors: the reference
using reference::RmsNorm;
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(RmsNorm);

constexpr KernelRow kRows[] = {
    {"rms_norm", Device::kCpu, kProvider, AcceptsNorm,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(RmsNorm)
       (call);
     }},
    {"add_rms_norm", Device::kCpu, kProvider, AcceptsAddNorm,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(RmsNorm)
       (call);
     }},
};

}  // namespace

std::span<const KernelRow> NormRows() { return kRows; }

}  // namespace rw::simd
#endif  // HWY_ONCE
