// Ops that move whole rows. gather_rows has no row here: it copies bytes, which the reference
// already does as fast as memory goes.
#include "kernels/cpu/args.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/simd/work.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/row_ops.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/kv-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

template <class W, class T>
void EmbedRows(const EmbedArgs& args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t id = *args.ids.row<const int32_t>(i);
    RW_CHECK(id >= 0 && id < args.w.rows(), "row {} of {}", id, args.w.rows());
    Convert(args.w.row<const W>(id), args.y.row<T>(i), args.y.width());
  }
}

void Embed(const KernelCall& call) {
  const EmbedArgs args = ReadEmbed(call);
  WithFloatType(args.w.dtype, [&]<class W>(W) {
    WithFloatType(args.y.dtype, [&]<class T>(T) {
      call.pool.ParallelFor(args.y.rows(), RowsPerTask(args.y.width()),
                            [&](int64_t begin, int64_t end) { EmbedRows<W, T>(args, begin, end); });
    });
  });
}

template <class T, class KV>
void WriteRows(const KvWriteArgs& args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    WriteToken<T, KV>(args.kv, *args.slot.row<const int32_t>(i), args.k.row<const T>(i),
                      args.v.row<const T>(i));
  }
}

void KvWrite(const KernelCall& call) {
  const KvWriteArgs args = ReadKvWrite(call);
  WithFloatType(args.k.dtype, [&]<class T>(T) {
    WithFloatType(args.kv.dtype, [&]<class KV>(KV) {
      call.pool.ParallelFor(
          args.k.rows(), RowsPerTask(2 * args.k.width()),
          [&](int64_t begin, int64_t end) { WriteRows<T, KV>(args, begin, end); });
    });
  });
}

#else  // no vectors: the reference
using reference::Embed;
using reference::KvWrite;
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(Embed);
HWY_EXPORT(KvWrite);

constexpr KernelRow kRows[] = {
    {"embed", Device::kCpu, kProvider, AcceptsEmbed,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Embed)
       (call);
     }},
    {"kv_write", Device::kCpu, kProvider, AcceptsKvWrite,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(KvWrite)
       (call);
     }},
};

}  // namespace

std::span<const KernelRow> RowOpRows() { return kRows; }

}  // namespace rw::simd
#endif  // HWY_ONCE
