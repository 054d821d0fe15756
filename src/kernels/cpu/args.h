// What each op's kernels take, read from a KernelCall once and checked once. Both CPU providers
// start here, so they agree on signatures; the Accepts functions are the type side of the same.
#pragma once

#include "kernels/kernel.h"

namespace rw {

struct UnaryArgs {  // T[n,h] -> T[n,h]
  TensorView x, y;
};
struct BinaryArgs {  // (T[n,h], T[n,h]) -> T[n,h]
  TensorView a, b, y;
};
struct EmbedArgs {  // (ids i32[n], w W[v,h]) -> T[n,h]
  TensorView ids, w, y;
};
struct GatherRowsArgs {  // (x T[n,h], rows i32[r]) -> T[r,h]
  TensorView x, rows, y;
};
struct KvWriteArgs {  // (k T[n,hk,d], v T[n,hk,d], slot i32[n]), kv
  TensorView k, v, slot;
  KvLayerView kv;
};
enum class NormStyle : uint8_t { kLlama, kGemma, kOlmo };
struct NormArgs {  // (x T[*,h], w W[h]) -> T[*,h]
  TensorView x, w, y;
  int64_t h = 0;
  float eps = 0;
  NormStyle style = NormStyle::kLlama;
};
struct LinearArgs {  // (x T[n,k], w W[m,k], optional b W2[m]) -> T or f32 [n,m]
  TensorView x, w, y;
  const TensorView* bias = nullptr;
  int64_t n = 0, k = 0, m = 0;
};
enum class RopeLayout : uint8_t { kHalf, kInterleaved };
struct RopeArgs {  // (q T[n,hq,d], k T[n,hk,d], pos i32[n], cs f32[m,r]) -> q, k
  TensorView q, k, pos, cs, q_out, k_out;
  int64_t rotated = 0;  // r: the leading elements of a head that turn
  RopeLayout layout = RopeLayout::kHalf;
};
struct AttentionArgs {  // (q T[n,hq,d], qstart i32[s+1], len i32[s], table i32[s,p]), kv -> T
  TensorView q, qstart, len, table, y;
  KvLayerView kv;
  int64_t sequences = 0, hq = 0, hk = 0, d = 0, group = 0;  // group = hq / hk
  float scale = 1, softcap = 0;                             // softcap 0: none
  int64_t window = 0;                                       // 0: full

  int64_t FirstRow(int64_t s) const { return *qstart.row<const int32_t>(s); }
  int64_t Length(int64_t s) const { return *len.row<const int32_t>(s); }
  // Position of query row `row`, which belongs to sequence s: the rows are the sequence's last.
  int64_t Position(int64_t s, int64_t row) const { return Length(s) - FirstRow(s + 1) + row; }
  // First position that a query at `position` attends to.
  int64_t WindowBegin(int64_t position) const {
    return window > 0 && position >= window ? position - window + 1 : 0;
  }
};

UnaryArgs ReadUnary(const KernelCall& call);
BinaryArgs ReadBinary(const KernelCall& call);
EmbedArgs ReadEmbed(const KernelCall& call);
GatherRowsArgs ReadGatherRows(const KernelCall& call);
KvWriteArgs ReadKvWrite(const KernelCall& call);
NormArgs ReadNorm(const KernelCall& call);
LinearArgs ReadLinear(const KernelCall& call);
RopeArgs ReadRope(const KernelCall& call);
AttentionArgs ReadAttention(const KernelCall& call);

bool AcceptsUnary(const KernelTypes& types, const Attrs& attrs);
bool AcceptsBinary(const KernelTypes& types, const Attrs& attrs);
bool AcceptsEmbed(const KernelTypes& types, const Attrs& attrs);
bool AcceptsGatherRows(const KernelTypes& types, const Attrs& attrs);
bool AcceptsKvWrite(const KernelTypes& types, const Attrs& attrs);
bool AcceptsNorm(const KernelTypes& types, const Attrs& attrs);
bool AcceptsLinear(const KernelTypes& types, const Attrs& attrs);
bool AcceptsRope(const KernelTypes& types, const Attrs& attrs);
bool AcceptsAttention(const KernelTypes& types, const Attrs& attrs);

}  // namespace rw
