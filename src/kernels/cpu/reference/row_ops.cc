// Ops that take whole rows: embed, gather_rows, sample, kv_write.
#include "kernels/args.h"
#include "kernels/cpu/reference/float_rows.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/reference/row_steps.h"
#include "kernels/sampling.h"

namespace rw::reference {
namespace {

// y[i] = x[index[i]].
void CopyRows(const KernelCall& call, const TensorView& x, const TensorView& index,
              const TensorView& y) {
  call.pool.ParallelFor(y.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t from = *index.row<const int32_t>(i);
      RW_CHECK(from >= 0 && from < x.rows(), "row {} of {}", from, x.rows());
      ConvertRow(x.dtype, RowBytes(x, from), y.dtype, RowBytes(y, i), y.width());
    }
  });
}

constexpr KernelRow kRows[] = {
    {"embed", Device::kCpu, kProvider, AcceptsEither<AcceptsEmbed, AcceptsPackedEmbed>, Embed},
    {"gather_rows", Device::kCpu, kProvider, AcceptsGatherRows, GatherRows},
    {"sample", Device::kCpu, kProvider, AcceptsSample, Sample},
    {"kv_write", Device::kCpu, kProvider, AcceptsKvWrite, KvWrite},
};

}  // namespace

void Embed(const KernelCall& call) {
  if (IsPacked(call.in[1].dtype)) return PackedEmbed(call);
  const EmbedArgs args = ReadEmbed(call);
  CopyRows(call, args.w, args.ids, args.y);
}

void GatherRows(const KernelCall& call) {
  const GatherRowsArgs args = ReadGatherRows(call);
  CopyRows(call, args.x, args.rows, args.y);
}

void Sample(const KernelCall& call) {
  const SampleArgs args = ReadSample(call);
  call.pool.ParallelFor(args.x.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const SampleRule rule =
          ReadRule(args.how.row<const float>(i), args.pick.row<const int32_t>(i));
      *args.y.row<int32_t>(i) = SampleToken(ReadRow(args.x, i), rule);
    }
  });
}

void KvWrite(const KernelCall& call) {
  const KvWriteArgs args = ReadKvWrite(call);
  call.pool.ParallelFor(args.slot.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      WriteToken(args.kv, *args.slot.row<const int32_t>(i), args.k.dtype, RowBytes(args.k, i),
                 RowBytes(args.v, i));
    }
  });
}

std::span<const KernelRow> RowOpRows() { return kRows; }

}  // namespace rw::reference
