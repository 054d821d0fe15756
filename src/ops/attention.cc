// Rotary positions, the KV cache and attention over it.
#include "ops/ops.h"
#include "ops/picks.h"

namespace rw::ops {

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
};

const OpDef kKvWrite = {
    .name = "kv_write",
    .signature = "(k: T[n,hk,d], v: T[n,hk,d], slot: i32[n], kv: kv[hk,d]) -> (kv: kv[hk,d])",
    .summary = "Store k and v at slot, rounded to the cache's dtype; slot -1 stores nothing.",
    .memory = Memory::kInPlace,
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
