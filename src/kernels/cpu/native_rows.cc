#include "kernels/cpu/native_rows.h"

#include "kernels/cpu/cache_scale.h"

namespace rw {

CachePlace StoreToCache(const KernelCall& call, const native::Instr& instr, NativeRowIndex at) {
  const KvLayerView& kv = *call.kv;
  const int64_t slot = PickedIndex(call, instr, at.i);
  if (slot < 0) return {};
  RW_CHECK(slot < kv.pages * kPageSize, "slot {} of {} pages", slot, kv.pages);
  const bool keys = instr.rows == native::Rows::kKeys;
  const int64_t element = kv.Offset(slot / kPageSize, at.head, slot % kPageSize) + instr.at.begin;
  return {(keys ? kv.k : kv.v) + element * static_cast<int64_t>(SizeOf(kv.dtype)),
          CacheScale(keys ? kv.k_scale : kv.v_scale, at.head)};
}

}  // namespace rw
