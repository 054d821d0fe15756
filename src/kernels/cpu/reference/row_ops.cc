// Ops that move whole rows: embed, gather_rows, kv_write.
#include <cstring>

#include "kernels/cpu/args.h"
#include "kernels/cpu/reference/float_rows.h"
#include "kernels/cpu/reference/reference.h"

namespace rw::reference {
namespace {

// Converts a row of n elements; equal types keep their bits, NaN payloads included.
void ConvertRow(DType from_type, const std::byte* from, DType to_type, std::byte* to, int64_t n) {
  if (from_type == to_type) {
    std::memmove(to, from, n * SizeOf(from_type));
    return;
  }
  std::vector<float> row(n);
  ToFloats(from_type, from, n, row.data());
  FromFloats(to_type, row.data(), n, to);
}

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
    {"embed", Device::kCpu, kProvider, AcceptsEmbed, Embed},
    {"gather_rows", Device::kCpu, kProvider, AcceptsGatherRows, GatherRows},
    {"kv_write", Device::kCpu, kProvider, AcceptsKvWrite, KvWrite},
};

}  // namespace

void Embed(const KernelCall& call) {
  const EmbedArgs args = ReadEmbed(call);
  CopyRows(call, args.w, args.ids, args.y);
}

void GatherRows(const KernelCall& call) {
  const GatherRowsArgs args = ReadGatherRows(call);
  CopyRows(call, args.x, args.rows, args.y);
}

void KvWrite(const KernelCall& call) {
  const KvWriteArgs args = ReadKvWrite(call);
  const KvLayerView& kv = args.kv;
  const auto in_size = static_cast<int64_t>(SizeOf(args.k.dtype));
  const auto kv_size = static_cast<int64_t>(SizeOf(kv.dtype));
  call.pool.ParallelFor(args.slot.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t slot = *args.slot.row<const int32_t>(i);
      if (slot < 0) continue;
      RW_CHECK(slot < kv.pages * kPageSize, "slot {} of {} pages", slot, kv.pages);
      for (int64_t head = 0; head < kv.heads; ++head) {
        const int64_t from = head * kv.head_dim * in_size;
        const int64_t to = kv.Offset(slot / kPageSize, head, slot % kPageSize) * kv_size;
        ConvertRow(args.k.dtype, RowBytes(args.k, i) + from, kv.dtype, kv.k + to, kv.head_dim);
        ConvertRow(args.v.dtype, RowBytes(args.v, i) + from, kv.dtype, kv.v + to, kv.head_dim);
      }
    }
  });
}

std::span<const KernelRow> RowOpRows() { return kRows; }

}  // namespace rw::reference
