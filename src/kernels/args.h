// What each op's kernels take, read from a KernelCall once and checked once. All providers of all
// devices start here, so they agree on signatures; the Accepts functions are the type side of the
// same. A fused op is its family's kernel with one step more: its operands are the optional
// members. Read functions look at shapes only: the operands' memory may be a GPU's.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

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
struct SampleArgs {  // (x T[r,v], how f32[r,3], pick i32[r,2]) -> i32[r]
  TensorView x, how, pick, y;
};
struct KvWriteArgs {  // (k T[n,hk,d], v T[n,hk,d], slot i32[n]), kv
  TensorView k, v, slot;
  KvLayerView kv;
};
enum class NormStyle : uint8_t { kLlama, kGemma, kOlmo };
struct NormArgs {  // (x T[*,h], w W[h]) -> T[*,h]
  TensorView x, w, y;
  // add_rms_norm: sum = x + *add is stored and normalised in place of x. sum may lie in x, y in
  // add.
  const TensorView* add = nullptr;
  const TensorView* sum = nullptr;
  int64_t h = 0;
  float eps = 0;
  NormStyle style = NormStyle::kLlama;
};
struct LinearArgs {  // (x T[n,k], w W[m,k], optional b W2[m]) -> T or f32 [n,m]
  TensorView x, w, y;
  const TensorView* bias = nullptr;
  int64_t n = 0, k = 0, m = 0;
};
// Products of one x with more in the same call. In the signature's order: x, with `norms` the
// weight of the norm that x passes first, the W, operands of the types `extra` (as Matches in
// args.cc reads them), and a bias for each W or none.
struct LinearForm {
  int products;
  bool norms;
  std::string_view extra;
};
struct FusedLinearArgs {
  std::vector<LinearArgs> products;  // without their y
  std::optional<NormArgs> norm;      // without its y
  std::span<const TensorView> extra;
};
enum class GateAct : uint8_t { kSilu, kGelu, kGeluTanh };
enum class RopeLayout : uint8_t { kHalf, kInterleaved };
struct RopeArgs {  // (q T[n,hq,d], k T[n,hk,d], pos i32[n], cs f32[m,r]) -> q, k
  TensorView q, k, pos, cs, q_out;
  const TensorView* k_out = nullptr;  // null where k goes into the cache
  int64_t d = 0;
  int64_t rotated = 0;  // r: the leading elements of a head that turn
  RopeLayout layout = RopeLayout::kHalf;
  // qk_norm_*: weights of the heads' rms_norm, W[d] each.
  const TensorView* qw = nullptr;
  const TensorView* kw = nullptr;
  float eps = 0;
  NormStyle style = NormStyle::kLlama;
  // *_kv_write: v T[n,hk,d], slot i32[n] and the cache that takes k and v. k and v are read only.
  const TensorView* v = nullptr;
  const TensorView* slot = nullptr;
  const KvLayerView* kv = nullptr;

  // The angles of row i; operands in the CPU's memory.
  const float* Angles(int64_t i) const {
    const int64_t p = *pos.row<const int32_t>(i);
    RW_CHECK(p >= 0 && p < cs.rows(), "position {} of {}", p, cs.rows());
    return cs.row<const float>(p);
  }
};
struct AttentionArgs {  // (q T[n,hq,d], qstart i32[s+1], len i32[s], table i32[s,p]), kv -> T
  TensorView q, qstart, len, table, y;
  KvLayerView kv;
  int64_t sequences = 0, hq = 0, hk = 0, d = 0, group = 0;  // group = hq / hk
  float scale = 1, softcap = 0;                             // softcap 0: none
  int64_t window = 0;                                       // 0: full

  // From here on: operands in the CPU's memory.
  void CheckSequences() const;  // query rows, lengths and pages fit each other
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
SampleArgs ReadSample(const KernelCall& call);
KvWriteArgs ReadKvWrite(const KernelCall& call);
NormArgs ReadNorm(const KernelCall& call);  // rms_norm and add_rms_norm
// linear, linear2 and linear3: one of each result, all of the same x.
std::vector<LinearArgs> ReadLinear(const KernelCall& call);
FusedLinearArgs ReadFusedLinear(const KernelCall& call, const LinearForm& form);
GateAct ReadGateAct(const KernelCall& call);
// linear3_rope_kv_write: what becomes of its products. q and k are views of no memory, v none.
RopeArgs ReadProductsRope(const KernelCall& call, const FusedLinearArgs& linear);
// rope, rope_kv_write, qk_norm_rope and qk_norm_rope_kv_write, told apart by what they bring.
RopeArgs ReadRope(const KernelCall& call);
AttentionArgs ReadAttention(const KernelCall& call);

bool AcceptsUnary(const KernelTypes& types, const Attrs& attrs);
bool AcceptsBinary(const KernelTypes& types, const Attrs& attrs);
bool AcceptsEmbed(const KernelTypes& types, const Attrs& attrs);
bool AcceptsPackedEmbed(const KernelTypes& types, const Attrs& attrs);
bool AcceptsGatherRows(const KernelTypes& types, const Attrs& attrs);
bool AcceptsSample(const KernelTypes& types, const Attrs& attrs);
bool AcceptsKvWrite(const KernelTypes& types, const Attrs& attrs);
bool AcceptsNorm(const KernelTypes& types, const Attrs& attrs);
bool AcceptsAddNorm(const KernelTypes& types, const Attrs& attrs);
bool AcceptsLinear(const KernelTypes& types, const Attrs& attrs);
bool AcceptsLinear2(const KernelTypes& types, const Attrs& attrs);
bool AcceptsLinear3(const KernelTypes& types, const Attrs& attrs);
// The same with packed weights (base/packed.h), each of any packed type.
bool AcceptsPackedLinear(const KernelTypes& types, const Attrs& attrs);
bool AcceptsPackedLinear2(const KernelTypes& types, const Attrs& attrs);
bool AcceptsPackedLinear3(const KernelTypes& types, const Attrs& attrs);
// What one of the two accepts.
template <auto kOne, auto kOther>
bool AcceptsEither(const KernelTypes& types, const Attrs& attrs) {
  return kOne(types, attrs) || kOther(types, attrs);
}
bool AcceptsFusedLinear(const KernelTypes& types, const LinearForm& form);
bool AcceptsRope(const KernelTypes& types, const Attrs& attrs);
bool AcceptsRopeKvWrite(const KernelTypes& types, const Attrs& attrs);
bool AcceptsQkNormRope(const KernelTypes& types, const Attrs& attrs);
bool AcceptsQkNormRopeKvWrite(const KernelTypes& types, const Attrs& attrs);
bool AcceptsAttention(const KernelTypes& types, const Attrs& attrs);

}  // namespace rw
