#include "kernels/cpu/args.h"
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

template <NormStyle kStyle, class T, class W>
void NormRows(const NormArgs& args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = 0; j < args.x.width(); j += args.h) {
      NormRow<kStyle>(args.x.row<const T>(i) + j, args.w.row<const W>(0), args.eps, args.h,
                      args.y.row<T>(i) + j);
    }
  }
}

template <class T, class W>
void NormRows(const NormArgs& args, int64_t begin, int64_t end) {
  switch (args.style) {
    case NormStyle::kLlama:
      return NormRows<NormStyle::kLlama, T, W>(args, begin, end);
    case NormStyle::kGemma:
      return NormRows<NormStyle::kGemma, T, W>(args, begin, end);
    case NormStyle::kOlmo:
      return NormRows<NormStyle::kOlmo, T, W>(args, begin, end);
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
};

}  // namespace

std::span<const KernelRow> NormRows() { return kRows; }

}  // namespace rw::simd
#endif  // HWY_ONCE
