// Ops that take whole rows. gather_rows has no row here: it copies bytes, which the reference
// already does as fast as memory goes.
#include <limits>

#include "kernels/args.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/simd/work.h"
#include "kernels/dispatch.h"
#include "kernels/sampling.h"

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

constexpr float kLowest = -std::numeric_limits<float>::infinity();

// x where it is a finite number, elsewhere -infinity.
HWY_INLINE VF Finite(VF x) { return hn::IfThenElse(hn::IsFinite(x), x, hn::Set(DF(), kLowest)); }

// Where the largest number is, the first of equals; -1: no number is finite. The largest first,
// then where it is: without indices, memory sets the pace.
template <class T>
int32_t LikeliestOf(const T* x, int64_t n) {
  constexpr int kVectors = 4;
  const DF df;
  const VF lowest = hn::Set(df, kLowest);
  VF largest[kVectors];
  Unroll<kVectors>([&](auto v) RW_INLINED { largest[v] = lowest; });
  int64_t i = 0;
  for (; i + kVectors * kLanes <= n; i += kVectors * kLanes) {
    Unroll<kVectors>([&](auto v) RW_INLINED {
      largest[v] = hn::Max(largest[v], Finite(Load(x + i + v * kLanes)));
    });
  }
  for (; i < n; i += kLanes) {
    const int64_t count = std::min(kLanes, n - i);
    const auto real = hn::FirstN(df, static_cast<size_t>(count));
    largest[0] = hn::Max(largest[0], hn::IfThenElse(real, Finite(LoadN(x + i, count)), lowest));
  }
  Unroll<kVectors>([&](auto v) RW_INLINED { largest[0] = hn::Max(largest[0], largest[v]); });
  const VF best = hn::MaxOfLanes(df, largest[0]);
  if (hn::GetLane(best) == kLowest) return -1;
  for (i = 0; i + kLanes <= n; i += kLanes) {
    const intptr_t lane = hn::FindFirstTrue(df, hn::Eq(Load(x + i), best));
    if (lane >= 0) return static_cast<int32_t>(i + lane);
  }
  return static_cast<int32_t>(i + hn::FindFirstTrue(df, hn::Eq(LoadN(x + i, n - i), best)));
}

// Greedy rows go at the pace of memory; others as the reference takes them.
template <class T>
int32_t SampleRow(const T* x, int64_t n, const SampleRule& rule) {
  if (rule.greedy()) return LikeliestOf(x, n);
  std::vector<float> row(n);
  Convert(x, row.data(), n);
  return SampleToken(row, rule);
}

void Sample(const KernelCall& call) {
  const SampleArgs args = ReadSample(call);
  WithFloatType(args.x.dtype, [&]<class T>(T) {
    call.pool.ParallelFor(
        args.x.rows(), RowsPerTask(args.x.width()), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            *args.y.row<int32_t>(i) =
                SampleRow(args.x.row<const T>(i), args.x.width(),
                          ReadRule(args.how.row<const float>(i), args.pick.row<const int32_t>(i)));
          }
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
    WithCacheType(args.kv.dtype, [&]<class KV>(KV) {
      call.pool.ParallelFor(
          args.k.rows(), RowsPerTask(2 * args.k.width()),
          [&](int64_t begin, int64_t end) { WriteRows<T, KV>(args, begin, end); });
    });
  });
}

#else  // no vectors: the reference
using reference::Embed;
using reference::KvWrite;
using reference::Sample;
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(Embed);
HWY_EXPORT(KvWrite);
HWY_EXPORT(Sample);

constexpr KernelRow kRows[] = {
    {"embed", Device::kCpu, kProvider, AcceptsEmbed,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Embed)
       (call);
     }},
    {"sample", Device::kCpu, kProvider, AcceptsSample,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Sample)
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
