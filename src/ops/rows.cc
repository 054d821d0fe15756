// Ops that work row by row: embedding, gathering, sampling, elementwise, norm.
#include "ops/ops.h"
#include "ops/picks.h"

namespace rw::ops {
namespace {

constexpr auto kFloat = AttrDef::Kind::kFloat;
constexpr auto kText = AttrDef::Kind::kText;

using native::Row;
using native::RowCode;

// y = fn(row, x), element by element.
template <Row (*kFn)(RowCode&, const Row&)>
std::vector<native::Meaning> Unary() {
  return {{.reads = {0}, .code = [](RowCode& row) { row.Out(0, kFn(row, row.In(0))); }}};
}
template <Row (*kFn)(const Row&, const Row&)>
std::vector<native::Meaning> Binary() {
  return {{.reads = {0, 1}, .code = [](RowCode& row) {
             const Row a = row.In(0);
             const Row b = row.In(1);
             row.Out(0, kFn(a, b));
           }}};
}

Row By(RowCode& row, const Row& x) { return x * row.Number(row.attrs().Float("by")); }
Row SiluOf(RowCode& row, const Row& x) { return row.Silu(x); }
Row GeluOf(RowCode& row, const Row& x) { return row.Gelu(x); }
Row GeluTanhOf(RowCode& row, const Row& x) { return row.GeluTanh(x); }
Row Capped(RowCode& row, const Row& x) {
  const Row cap = row.Number(row.attrs().Float("cap"));
  return cap * row.Tanh(x / cap);
}

// Row index[i] of a table.
template <int kTable, int kIndex>
std::vector<native::Meaning> Pick() {
  return {{.domain = native::kFirstResult, .reads = {kTable, kIndex}, .code = [](RowCode& row) {
             row.Out(0, row.PickedRow(kTable, kIndex));
           }}};
}

void Normalise(RowCode& row) {
  const Row x = row.In(0);
  const Row w = row.Weights(1);
  const Row normed = x * row.NormFactor(row.SumSquares(x), row.attrs().Float("eps"));
  const std::string& style = row.attrs().String("style");
  if (style == "llama") return row.Out(0, w * row.Round(row.dtype(0), normed));
  if (style == "gemma") return row.Out(0, normed * (row.Number(1) + w));
  row.Out(0, w * normed);
}

}  // namespace

const OpDef kEmbed = {
    .name = "embed",
    .signature = "(ids: i32[n], w: W[v,h]) -> (x: T[n,h])",
    .summary = "Row ids[i] of w, converted to the attribute dtype.",
    .attrs = {{"dtype", kText, {"f32", "f16", "bf16"}}},
    .rows_read = PicksRows<1>,
    .meanings = Pick<1, 0>(),
};

const OpDef kGatherRows = {
    .name = "gather_rows",
    .signature = "(x: T[n,h], rows: i32[r]) -> (y: T[r,h])",
    .summary = "Row rows[i] of x.",
    .rows_read = [](int index,
                    const DimNumber& dim) { return index == 0 ? dim("r") : int64_t{-1}; },
    .meanings = Pick<0, 1>(),
};

// What it means to the bit stands in kernels/sampling.h.
const OpDef kSample = {
    .name = "sample",
    .signature = "(x: T[r,v], how: f32[r,3], pick: i32[r,2]) -> (y: i32[r])",
    .summary =
        "A token of each row of logits by temperature, top_p, min_p (how), top_k and a uniform "
        "draw of 32 bits (pick). Temperature 0: the largest finite number, the first of "
        "equals; -1: there is none.",
};

const OpDef kScale = {
    .name = "scale",
    .signature = "(x: T[n,h]) -> (y: T[n,h])",
    .summary = "x * by, rounded once.",
    .attrs = {{"by", kFloat}},
    .memory = Memory::kInPlace,
    .meanings = Unary<By>(),
};

const OpDef kAdd = {
    .name = "add",
    .signature = "(a: T[n,h], b: T[n,h]) -> (y: T[n,h])",
    .summary = "a + b, rounded once.",
    .memory = Memory::kInPlace,
    .meanings = Binary < native::operator+>(),
};

const OpDef kMul = {
    .name = "mul",
    .signature = "(a: T[n,h], b: T[n,h]) -> (y: T[n,h])",
    .summary = "a * b, rounded once.",
    .memory = Memory::kInPlace,
    .meanings = Binary < native::operator*>(),
};

const OpDef kSilu = {
    .name = "silu",
    .signature = "(x: T[n,h]) -> (y: T[n,h])",
    .summary = "x / (1 + exp(-x)) in float, rounded once.",
    .memory = Memory::kInPlace,
    .meanings = Unary<SiluOf>(),
};

const OpDef kGelu = {
    .name = "gelu",
    .signature = "(x: T[n,h]) -> (y: T[n,h])",
    .summary = "x/2 * (1 + erf(x/sqrt 2)) in float, rounded once.",
    .memory = Memory::kInPlace,
    .meanings = Unary<GeluOf>(),
};

const OpDef kGeluTanh = {
    .name = "gelu_tanh",
    .signature = "(x: T[n,h]) -> (y: T[n,h])",
    .summary = "x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) in float, rounded once.",
    .memory = Memory::kInPlace,
    .meanings = Unary<GeluTanhOf>(),
};

const OpDef kSoftcap = {
    .name = "softcap",
    .signature = "(x: T[n,h]) -> (y: T[n,h])",
    .summary = "cap * tanh(x / cap) in float, rounded once.",
    .attrs = {{"cap", kFloat}},
    .memory = Memory::kInPlace,
    .meanings = Unary<Capped>(),
};

// Where rounding happens is the models' meaning, not a choice of the kernel: Llama rounds the
// normalised row before the weight product, Gemma after it (and adds 1 to the weight), OLMo-2 after
// it. As in the models' own code.
const OpDef kRmsNorm = {
    .name = "rms_norm",
    .signature = "(x: T[*,h], w: W[h]) -> (y: T[*,h])",
    .summary = "x / sqrt(mean(x^2) + eps) times the weight; style says where it is rounded.",
    .attrs = {{"eps", kFloat}, {"style", kText, {"llama", "gemma", "olmo"}}},
    .memory = Memory::kInPlace,
    .meanings = {{.reads = {0, 1}, .code = Normalise}},
};

}  // namespace rw::ops
