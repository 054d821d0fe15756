// Matrix products with weights.
#include "ops/ops.h"
#include "ops/picks.h"

namespace rw::ops {

const OpDef kLinear = {
    .name = "linear",
    .signature = "(x: T[n,k], w: W[m,k], b?: B[m]) -> (y: T[n,m])",
    .summary = "x times w transposed, plus b, accumulated in float and rounded once.",
};

// Products with what comes before and after them in the same call. Each equals its native
// composition bit for bit, roundings included.
namespace {

constexpr auto kInt = AttrDef::Kind::kInt;
constexpr auto kFloat = AttrDef::Kind::kFloat;
constexpr auto kText = AttrDef::Kind::kText;

const AttrDef kEps{"eps", kFloat};
const AttrDef kStyle{"style", kText, {"llama", "gemma", "olmo"}};
const AttrDef kAct{"act", kText, {"silu", "gelu", "gelu_tanh"}};
const AttrDef kHeadDim{"d", kInt};
const AttrDef kLayout{"layout", kText, {"half", "interleaved"}};

}  // namespace

const OpDef kLinearAdd = {
    .name = "linear_add",
    .signature = "(x: T[n,k], w: W[m,k], a: T[n,m], b?: B[m]) -> (y: T[n,m])",
    .summary = "a plus the product, which is rounded before it is added.",
    .native = "y = linear(x, w, b); y = add(a, y)",
};

const OpDef kLinear2ActMul = {
    .name = "linear2_act_mul",
    .signature = "(x: T[n,k], w0: A[m,k], w1: B[m,k], b0?: C[m], b1?: D[m]) -> (y: T[n,m])",
    .summary = "act of the first product times the second.",
    .attrs = {kAct},
    .native = "gate, up = linear2(x, w0, w1, b0, b1); y = <act>_mul(gate, up)",
};

const OpDef kLinear3RopeKvWrite = {
    .name = "linear3_rope_kv_write",
    .signature =
        "(x: T[n,c], w0: A[hq*d,c], w1: B[hk*d,c], w2: C[hk*d,c], pos: i32[n], cs: f32[m,e],"
        " slot: i32[n], kv: kv[hk,d], b0?: D[hq*d], b1?: E[hk*d], b2?: F[hk*d])"
        " -> (q: T[n,hq,d], kv: kv[hk,d])",
    .summary = "Project to q, k and v, rotate q and k by position, store k and v at slot.",
    .attrs = {kHeadDim, kLayout},
    .rows_read = PicksRows<5>,
    .native =
        "q, k, v = linear3(x, w0, w1, w2, b0, b1, b2); q = split_heads(q) {d};"
        " k = split_heads(k) {d}; v = split_heads(v) {d};"
        " q, kv = rope_kv_write(q, k, v, pos, cs, slot, kv) {layout}",
};

const OpDef kRmsNormLinear = {
    .name = "rms_norm_linear",
    .signature = "(x: T[n,k], nw: N[k], w: W[m,k], b?: B[m]) -> (y: T[n,m])",
    .summary = "rms_norm of x, then a product.",
    .attrs = {kEps, kStyle},
    .native = "x = rms_norm(x, nw) {eps, style}; y = linear(x, w, b)",
};

const OpDef kRmsNormLinear2 = {
    .name = "rms_norm_linear2",
    .signature =
        "(x: T[n,k], nw: N[k], w0: A[m0,k], w1: B[m1,k], b0?: C[m0], b1?: D[m1])"
        " -> (y0: T[n,m0], y1: T[n,m1])",
    .summary = "rms_norm of x, then two products of it.",
    .attrs = {kEps, kStyle},
    .native = "x = rms_norm(x, nw) {eps, style}; y0, y1 = linear2(x, w0, w1, b0, b1)",
};

const OpDef kRmsNormLinear3 = {
    .name = "rms_norm_linear3",
    .signature =
        "(x: T[n,k], nw: N[k], w0: A[m0,k], w1: B[m1,k], w2: C[m2,k], b0?: D[m0], b1?: E[m1],"
        " b2?: F[m2]) -> (y0: T[n,m0], y1: T[n,m1], y2: T[n,m2])",
    .summary = "rms_norm of x, then three products of it.",
    .attrs = {kEps, kStyle},
    .native = "x = rms_norm(x, nw) {eps, style}; y0, y1, y2 = linear3(x, w0, w1, w2, b0, b1, b2)",
};

const OpDef kRmsNormLinear2ActMul = {
    .name = "rms_norm_linear2_act_mul",
    .signature =
        "(x: T[n,k], nw: N[k], w0: A[m,k], w1: B[m,k], b0?: C[m], b1?: D[m]) -> (y: T[n,m])",
    .summary = "rms_norm of x, then act of the first product of it times the second.",
    .attrs = {kEps, kStyle, kAct},
    .native = "x = rms_norm(x, nw) {eps, style}; y = linear2_act_mul(x, w0, w1, b0, b1) {act}",
};

const OpDef kRmsNormLinear3RopeKvWrite = {
    .name = "rms_norm_linear3_rope_kv_write",
    .signature =
        "(x: T[n,c], nw: N[c], w0: A[hq*d,c], w1: B[hk*d,c], w2: C[hk*d,c], pos: i32[n],"
        " cs: f32[m,e], slot: i32[n], kv: kv[hk,d], b0?: D[hq*d], b1?: E[hk*d], b2?: F[hk*d])"
        " -> (q: T[n,hq,d], kv: kv[hk,d])",
    .summary =
        "rms_norm of x, then project to q, k and v, rotate q and k by position, store k and v at "
        "slot.",
    .attrs = {kEps, kStyle, kHeadDim, kLayout},
    .rows_read = PicksRows<6>,
    .native =
        "x = rms_norm(x, nw) {eps, style};"
        " q, kv = linear3_rope_kv_write(x, w0, w1, w2, pos, cs, slot, kv, b0, b1, b2) {d, layout}",
};

}  // namespace rw::ops
