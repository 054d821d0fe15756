#include "kernels/args.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/simd/work.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/rope.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/kv-inl.h"
#include "kernels/cpu/simd/norm-inl.h"
#include "kernels/cpu/simd/rope-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

// Cosines and sines of row i, as RotatePairs wants them if the layout is interleaved: then they lie
// in `pairs` of 2 * rotated.
const float* RowAngles(const RopeArgs& args, int64_t i, float* pairs) {
  const float* cs = args.Angles(i);
  if (args.layout == RopeLayout::kHalf) return cs;
  const int64_t half = args.rotated / 2;
  for (int64_t j = 0; j < half; ++j) {
    pairs[2 * j] = pairs[2 * j + 1] = cs[j];
    pairs[args.rotated + 2 * j + 1] = cs[half + j];
    pairs[args.rotated + 2 * j] = -cs[half + j];
  }
  return pairs;
}

// What the rows of one task share. T: the type of q and k.
template <class T>
struct Scratchpad {
  explicit Scratchpad(const RopeArgs& args) {
    const int64_t keys = args.kv != nullptr ? args.k.width() : 0;
    float* next = ScratchFloats(Scratch::kTile, 2 * args.rotated + 2 * args.d + keys);
    pairs = next;
    qw = Weights(args.qw, next + 2 * args.rotated);
    kw = Weights(args.kw, next + 2 * args.rotated + args.d);
    k_row = reinterpret_cast<T*>(next + 2 * args.rotated + 2 * args.d);
  }
  // As floats, which changes no number and spares a kernel for each pair of types.
  static const float* Weights(const TensorView* w, float* floats) {
    if (w == nullptr) return nullptr;
    WithFloatType(w->dtype,
                  [&]<class W>(W) { ConvertWeights(w->row<const W>(0), floats, w->rows()); });
    return floats;
  }
  template <class W>
  static void ConvertWeights(const W* w, float* floats, int64_t n) {
    Convert(w, floats, n);
  }

  float* pairs;     // angles as RotatePairs wants them
  const float* qw;  // null: q is not normalised
  const float* kw;
  T* k_row;  // a turned row of k on its way to the cache
};

// All heads of one row, normalised if there is a w, then turned: in two rounds, so that heads
// overlap in the processor while each waits for its own sum. `cs` is the row of RowAngles.
template <class T>
void TurnRow(const RopeArgs& args, const T* in, const float* w, const float* cs, int64_t heads,
             T* out) {
  const int64_t d = args.d;
  const int64_t r = args.rotated;
  if (w != nullptr) {
    for (int64_t i = 0; i < heads * d; i += d) {
      NormRow(args.style, in + i, w, args.eps, d, out + i);
    }
    in = out;
  }
  for (int64_t i = 0; i < heads * d; i += d) {
    if (args.layout == RopeLayout::kHalf) {
      RotateHalves(in + i, cs, cs + r / 2, r / 2, out + i);
    } else {
      RotatePairs(in + i, cs, cs + r, r, out + i);
    }
    if (out != in && r < d) std::memcpy(out + i + r, in + i + r, (d - r) * sizeof(T));
  }
}

// q before k: what k leaves all over the cache breaks the streams that the processor fetches ahead,
// and long rows of q would wait for memory. KV: the type of the cache, where there is one.
template <class T, class KV>
void TurnRows(const RopeArgs& args, int64_t begin, int64_t end) {
  const Scratchpad<T> scratch(args);
  for (int64_t i = begin; i < end; ++i) {
    TurnRow(args, args.q.row<const T>(i), scratch.qw, RowAngles(args, i, scratch.pairs),
            args.q.dims[1], args.q_out.row<T>(i));
  }
  for (int64_t i = begin; i < end; ++i) {
    const int64_t slot = args.kv != nullptr ? *args.slot->row<const int32_t>(i) : 0;
    if (slot < 0) continue;  // nobody would see k
    T* k_out = args.kv != nullptr ? scratch.k_row : args.k_out->row<T>(i);
    TurnRow(args, args.k.row<const T>(i), scratch.kw, RowAngles(args, i, scratch.pairs),
            args.k.dims[1], k_out);
    if (args.kv != nullptr) WriteToken<T, KV>(*args.kv, slot, k_out, args.v->row<const T>(i));
  }
}

void Rope(const KernelCall& call) {
  const RopeArgs args = ReadRope(call);
  const int64_t width = args.q.width() + args.k.width() * (args.kv != nullptr ? 2 : 1);
  WithFloatType(args.q.dtype, [&]<class T>(T) {
    WithCacheType(args.kv != nullptr ? args.kv->dtype : args.q.dtype, [&]<class KV>(KV) {
      call.pool.ParallelFor(args.pos.rows(), RowsPerTask(width),
                            [&](int64_t begin, int64_t end) { TurnRows<T, KV>(args, begin, end); });
    });
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
    {"rope_kv_write", Device::kCpu, kProvider, AcceptsRopeKvWrite,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Rope)
       (call);
     }},
    {"qk_norm_rope", Device::kCpu, kProvider, AcceptsQkNormRope,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Rope)
       (call);
     }},
    {"qk_norm_rope_kv_write", Device::kCpu, kProvider, AcceptsQkNormRopeKvWrite,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Rope)
       (call);
     }},
};

}  // namespace

std::span<const KernelRow> RopeRows() { return kRows; }

}  // namespace rw::simd
#endif  // HWY_ONCE
