// Ops that stand for several: each equals its native composition bit for bit, roundings included.
#include "ops/ops.h"
#include "ops/picks.h"

namespace rw::ops {
namespace {

constexpr auto kFloat = AttrDef::Kind::kFloat;
constexpr auto kText = AttrDef::Kind::kText;

}  // namespace

const OpDef kSiluMul = {
    .name = "silu_mul",
    .signature = "(gate: T[n,h], up: T[n,h]) -> (y: T[n,h])",
    .summary = "silu(gate) * up.",
    .memory = Memory::kInPlace,
    .native = "gate = silu(gate); y = mul(gate, up)",
};

const OpDef kGeluMul = {
    .name = "gelu_mul",
    .signature = "(gate: T[n,h], up: T[n,h]) -> (y: T[n,h])",
    .summary = "gelu(gate) * up.",
    .memory = Memory::kInPlace,
    .native = "gate = gelu(gate); y = mul(gate, up)",
};

const OpDef kGeluTanhMul = {
    .name = "gelu_tanh_mul",
    .signature = "(gate: T[n,h], up: T[n,h]) -> (y: T[n,h])",
    .summary = "gelu_tanh(gate) * up.",
    .memory = Memory::kInPlace,
    .native = "gate = gelu_tanh(gate); y = mul(gate, up)",
};

const OpDef kAddRmsNorm = {
    .name = "add_rms_norm",
    .signature = "(a: T[n,h], b: T[n,h], w: W[h]) -> (sum: T[n,h], y: T[n,h])",
    .summary = "sum = a + b, rounded once; y = rms_norm(sum).",
    .attrs = {{"eps", kFloat}, {"style", kText, {"llama", "gemma", "olmo"}}},
    .memory = Memory::kInPlace,
    .native = "sum = add(a, b); y = rms_norm(sum, w) {eps, style}",
};

const OpDef kLinear2 = {
    .name = "linear2",
    .signature =
        "(x: T[n,k], w0: A[m0,k], w1: B[m1,k], b0?: C[m0], b1?: D[m1])"
        " -> (y0: T[n,m0], y1: T[n,m1])",
    .summary = "Two products of the same x in one call; the weights stay where they lie.",
    .native = "y0 = linear(x, w0, b0); y1 = linear(x, w1, b1)",
};

const OpDef kLinear3 = {
    .name = "linear3",
    .signature =
        "(x: T[n,k], w0: A[m0,k], w1: B[m1,k], w2: C[m2,k], b0?: D[m0], b1?: E[m1], b2?: F[m2])"
        " -> (y0: T[n,m0], y1: T[n,m1], y2: T[n,m2])",
    .summary = "Three products of the same x in one call; the weights stay where they lie.",
    .native = "y0 = linear(x, w0, b0); y1 = linear(x, w1, b1); y2 = linear(x, w2, b2)",
};

const OpDef kRopeKvWrite = {
    .name = "rope_kv_write",
    .signature =
        "(q: T[n,hq,d], k: T[n,hk,d], v: T[n,hk,d], pos: i32[n], cs: f32[m,e], slot: i32[n],"
        " kv: kv[hk,d]) -> (q: T[n,hq,d], kv: kv[hk,d])",
    .summary =
        "Rotate q and k by position, store k and v at slot; slot -1 rotates, stores nothing.",
    .attrs = {{"layout", kText, {"half", "interleaved"}}},
    .memory = Memory::kInPlace,
    .rows_read = PicksRows<4>,
    .native = "q, k = rope(q, k, pos, cs) {layout}; kv = kv_write(k, v, slot, kv)",
};

const OpDef kQkNormRope = {
    .name = "qk_norm_rope",
    .signature =
        "(q: T[n,hq,d], k: T[n,hk,d], qw: A[d], kw: B[d], pos: i32[n], cs: f32[m,e])"
        " -> (q: T[n,hq,d], k: T[n,hk,d])",
    .summary = "Normalise each head of q and k, then rotate by position.",
    .attrs = {{"eps", kFloat},
              {"style", kText, {"llama", "gemma", "olmo"}},
              {"layout", kText, {"half", "interleaved"}}},
    .memory = Memory::kInPlace,
    .rows_read = PicksRows<5>,
    .native =
        "q = rms_norm(q, qw) {eps, style}; k = rms_norm(k, kw) {eps, style};"
        " q, k = rope(q, k, pos, cs) {layout}",
};

const OpDef kQkNormRopeKvWrite = {
    .name = "qk_norm_rope_kv_write",
    .signature =
        "(q: T[n,hq,d], k: T[n,hk,d], v: T[n,hk,d], qw: A[d], kw: B[d], pos: i32[n], cs: f32[m,e],"
        " slot: i32[n], kv: kv[hk,d]) -> (q: T[n,hq,d], kv: kv[hk,d])",
    .summary = "Normalise each head of q and k, rotate by position, store k and v at slot.",
    .attrs = {{"eps", kFloat},
              {"style", kText, {"llama", "gemma", "olmo"}},
              {"layout", kText, {"half", "interleaved"}}},
    .memory = Memory::kInPlace,
    .rows_read = PicksRows<6>,
    .native =
        "q, k = qk_norm_rope(q, k, qw, kw, pos, cs) {eps, style, layout};"
        " kv = kv_write(k, v, slot, kv)",
};

}  // namespace rw::ops
