// Rotary positions, the KV cache and attention over it.
#include "ops/ops.h"
#include "ops/picks.h"

namespace rw::ops {
namespace {

using native::Row;
using native::RowCode;
using native::Segment;

// The halves of what is turned, or its even and odd elements, then the rest of a head.
std::vector<Segment> CutPairs(const Attrs& attrs, std::span<const int64_t> widths) {
  const int64_t turned = widths[3];
  const int64_t half = turned / 2;
  std::vector<Segment> cut = {{0, half, 1}, {half, half, 1}};
  if (attrs.String("layout") == "interleaved") cut = {{0, half, 2}, {1, half, 2}};
  if (turned < widths[0]) cut.push_back({turned, widths[0] - turned, 1});
  return cut;
}

// Rotate of kernels/scalar_math.h.
template <int kOperand>
void Turn(RowCode& row) {
  const Row x = row.In(kOperand);
  const int64_t half = row.WidthOf(3) / 2;
  const Row c = row.Picked(3, 2, {0, half});
  const Row s = row.Picked(3, 2, {half, half});
  const Row xc = x[0] * c;  // one by one, as the order of code must not be the compiler's choice
  const Row ys = x[1] * s;
  const Row yc = x[1] * c;
  const Row xs = x[0] * s;
  std::vector<Row> turned = {xc - ys};
  turned.push_back(yc + xs);
  if (row.segments() > 2) turned.push_back(x[2]);
  row.Out(kOperand, RowCode::Join(turned));
}

template <int kOperand, native::Rows kPlane>
void Keep(RowCode& row) {
  row.StoreCache(kPlane, 2, row.In(kOperand));
}

}  // namespace

// A slot of -1 (padding) does not exist for rope: every row is rotated, and only the write skips.
const OpDef kRope = {
    .name = "rope",
    .signature =
        "(q: T[n,hq,d], k: T[n,hk,d], pos: i32[n], cs: f32[m,e]) -> (q: T[n,hq,d], k: T[n,hk,d])",
    .summary =
        "Rotate the first e elements of each head by the angles in row pos[i] of cs, which "
        "holds e/2 cosines and then e/2 sines; layout says which elements pair up.",
    .attrs = {{"layout", AttrDef::Kind::kText, {"half", "interleaved"}}},
    .memory = Memory::kInPlace,
    .rows_read = PicksRows<3>,
    .meanings = {{.domain = 0, .reads = {0, 2, 3}, .code = Turn<0>, .cut = CutPairs},
                 {.domain = 1, .reads = {1, 2, 3}, .code = Turn<1>, .cut = CutPairs}},
};

const OpDef kKvWrite = {
    .name = "kv_write",
    .signature = "(k: T[n,hk,d], v: T[n,hk,d], slot: i32[n], kv: kv[hk,d]) -> (kv: kv[hk,d])",
    .summary = "Store k and v at slot, rounded to the cache's dtype; slot -1 stores nothing.",
    .memory = Memory::kInPlace,
    .meanings = {{.domain = 0, .reads = {0, 2}, .code = Keep<0, native::Rows::kKeys>},
                 {.domain = 1, .reads = {1, 2}, .code = Keep<1, native::Rows::kValues>}},
};

const OpDef kAttention = {
    .name = "attention",
    .signature =
        "(q: T[n,hq,d], qstart: i32[s1], len: i32[s], table: i32[s,p], kv: kv[hk,d])"
        " -> (o: T[n,hq,d])",
    .summary =
        "Causal attention of each sequence's new queries, its last rows, over its len "
        "cached positions, read page by page through the block table.",
    .attrs = {{"scale", AttrDef::Kind::kFloat},
              {"softcap", AttrDef::Kind::kFloat},  // 0: none
              {"window", AttrDef::Kind::kInt}},    // positions seen, itself included; 0: all
};

}  // namespace rw::ops
