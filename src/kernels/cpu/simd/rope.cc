#include "kernels/cpu/args.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/simd/work.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/rope.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/rope-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

// Cosines and sines of one position as RotatePairs wants them, in `pairs` of 2 * rotated.
void SpreadAngles(const float* cs, int64_t rotated, float* pairs) {
  for (int64_t i = 0; i < rotated / 2; ++i) {
    pairs[2 * i] = pairs[2 * i + 1] = cs[i];
    pairs[rotated + 2 * i + 1] = cs[rotated / 2 + i];
    pairs[rotated + 2 * i] = -cs[rotated / 2 + i];
  }
}

// All heads of row i. `cs` is the row of angles, spread for the interleaved layout.
template <class T>
void RotateRow(const RopeArgs& args, const TensorView& in, const TensorView& out, const float* cs,
               int64_t i) {
  const int64_t d = in.dims[2];
  const int64_t r = args.rotated;
  for (int64_t head = 0; head < in.dims[1]; ++head) {
    const T* from = in.row<const T>(i) + head * d;
    T* to = out.row<T>(i) + head * d;
    if (args.layout == RopeLayout::kHalf) {
      RotateHalves(from, cs, cs + r / 2, r / 2, to);
    } else {
      RotatePairs(from, cs, cs + r, r, to);
    }
    if (to != from && r < d) std::memcpy(to + r, from + r, (d - r) * sizeof(T));
  }
}

template <class T>
void RotateRows(const RopeArgs& args, int64_t begin, int64_t end) {
  float* pairs = args.layout == RopeLayout::kInterleaved
                     ? ScratchFloats(Scratch::kTile, 2 * args.rotated)
                     : nullptr;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t pos = *args.pos.row<const int32_t>(i);
    RW_CHECK(pos >= 0 && pos < args.cs.rows(), "position {} of {}", pos, args.cs.rows());
    const float* cs = args.cs.row<const float>(pos);
    if (pairs != nullptr) {
      SpreadAngles(cs, args.rotated, pairs);
      cs = pairs;
    }
    RotateRow<T>(args, args.q, args.q_out, cs, i);
    RotateRow<T>(args, args.k, args.k_out, cs, i);
  }
}

void Rope(const KernelCall& call) {
  const RopeArgs args = ReadRope(call);
  const int64_t width = args.q.width() + args.k.width();
  WithFloatType(args.q.dtype, [&]<class T>(T) {
    call.pool.ParallelFor(args.pos.rows(), RowsPerTask(width),
                          [&](int64_t begin, int64_t end) { RotateRows<T>(args, begin, end); });
  });
}

#else  // no vectors: the reference
using reference::Rope;
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(Rope);

constexpr KernelRow kRows[] = {
    {"rope", Device::kCpu, kProvider, AcceptsRope,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Rope)
       (call);
     }},
};

}  // namespace

std::span<const KernelRow> RopeRows() { return kRows; }

}  // namespace rw::simd
#endif  // HWY_ONCE
