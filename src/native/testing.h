// Programs for the tests of generated code: what lowering makes of the ops of those names, operands
// and results in their order. The meanings are those of src/ops, which this layer does not see.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "native/row_code.h"

namespace rw::native::testing {

// Applies an op's meaning to a part; each result is a row that later ops take.
inline std::vector<std::optional<Row>> Apply(Part& part, const std::vector<Operand>& operands,
                                             const std::vector<DType>& results, const Attrs& attrs,
                                             void (*meaning)(RowCode&)) {
  RowCode code(part, operands, results, attrs);
  meaning(code);
  std::vector<std::optional<Row>> made;
  for (size_t i = 0; i < results.size(); ++i) made.push_back(code.result(i));
  return made;
}

inline void Normalise(RowCode& row) {
  const Row x = row.In(0);
  const Row w = row.Weights(1);
  const Row normed = x * row.NormFactor(row.SumSquares(x), row.attrs().Float("eps"));
  const std::string& style = row.attrs().String("style");
  if (style == "llama") return row.Out(0, w * row.Round(row.dtype(0), normed));
  if (style == "gemma") return row.Out(0, normed * (row.Number(1) + w));
  row.Out(0, w * normed);
}
// Operands x, pos, cs.
inline void Turn(RowCode& row) {
  const Row x = row.In(0);
  const int64_t half = row.WidthOf(2) / 2;
  const Row c = row.Picked(2, 1, {0, half});
  const Row s = row.Picked(2, 1, {half, half});
  std::vector<Row> turned = {x[0] * c - x[1] * s, x[1] * c + x[0] * s};
  if (row.segments() > 2) turned.push_back(x[2]);
  row.Out(0, RowCode::Join(turned));
}
template <Rows kPlane>
void Keep(RowCode& row) {
  row.StoreCache(kPlane, 1, row.In(0));
}

inline Operand Memory(int port, DType dtype, int64_t width = 0) {
  return {.port = port, .dtype = dtype, .width = width};
}
inline Operand Made(const std::optional<Row>& row, DType dtype) {
  return {.made = row, .dtype = dtype};
}

// act(a) alone, or act(a) * b.
inline Program Activation(DType dtype, int64_t h, Code act, bool gated) {
  Part part{1, h, 0, {{0, h, 1}}, {}};
  static constexpr auto kMeaning = [](Code code) -> void (*)(RowCode&) {
    if (code == Code::kSilu) return [](RowCode& row) { row.Out(0, row.Silu(row.In(0))); };
    if (code == Code::kGelu) return [](RowCode& row) { row.Out(0, row.Gelu(row.In(0))); };
    return [](RowCode& row) { row.Out(0, row.GeluTanh(row.In(0))); };
  };
  auto y = Apply(part, {Memory(0, dtype)}, {dtype}, {}, kMeaning(act))[0];
  Program program{{{dtype}}, {{dtype}}, DType::kF32, {}};
  if (gated) {
    program.in.push_back({dtype});
    y = Apply(part, {Made(y, dtype), Memory(1, dtype)}, {dtype}, {},
              [](RowCode& row) { row.Out(0, row.In(0) * row.In(1)); })[0];
  }
  StoreRow(part, *y, 0);
  program.parts.push_back(std::move(part));
  return program;
}

struct NormCase {
  DType dtype, weight;
  int64_t heads, h;
  std::string style;

  Attrs attrs() const { return {{"eps", 1e-5}, {"style", style}}; }
};
inline Program RmsNorm(const NormCase& c) {
  Part part{c.heads, c.h, 0, {{0, c.h, 1}}, {}};
  const auto y =
      Apply(part, {Memory(0, c.dtype), Memory(1, c.weight)}, {c.dtype}, c.attrs(), Normalise)[0];
  StoreRow(part, *y, 0);
  return {{{c.dtype}, {c.weight, true}}, {{c.dtype}}, DType::kF32, {part}};
}
inline Program AddRmsNorm(const NormCase& c) {
  Part part{1, c.h, 0, {{0, c.h, 1}}, {}};
  const auto sum = Apply(part, {Memory(0, c.dtype), Memory(1, c.dtype)}, {c.dtype}, {},
                         [](RowCode& row) { row.Out(0, row.In(0) + row.In(1)); })[0];
  const auto y =
      Apply(part, {Made(sum, c.dtype), Memory(2, c.weight)}, {c.dtype}, c.attrs(), Normalise)[0];
  StoreRow(part, *sum, 0);
  StoreRow(part, *y, 1);
  return {{{c.dtype}, {c.dtype}, {c.weight, true}}, {{c.dtype}, {c.dtype}}, DType::kF32, {part}};
}

// Two sums, one after the other: y = rms_norm(rms_norm(x, w) + residual, w2), the sum stored too.
// Operands x, w, residual, w2; results sum, y.
inline Program NormAddNorm(const NormCase& c) {
  Part part{1, c.h, 0, {{0, c.h, 1}}, {}};
  const DType t = c.dtype;
  const auto normed =
      Apply(part, {Memory(0, t), Memory(1, c.weight)}, {t}, c.attrs(), Normalise)[0];
  const auto sum = Apply(part, {Made(normed, t), Memory(2, t)}, {t}, {},
                         [](RowCode& row) { row.Out(0, row.In(0) + row.In(1)); })[0];
  const auto y = Apply(part, {Made(sum, t), Memory(3, c.weight)}, {t}, c.attrs(), Normalise)[0];
  StoreRow(part, *sum, 0);
  StoreRow(part, *y, 1);
  return {{{t}, {c.weight, true}, {t}, {c.weight, true}}, {{t}, {t}}, DType::kF32, {part}};
}

// Row ids[i] of a table, in another type.
inline Program Embed(DType table, DType dtype, int64_t h) {
  Part part{1, h, 0, {{0, h, 1}}, {}};
  const auto y = Apply(part, {Memory(0, DType::kI32), Memory(1, table, h)}, {dtype}, {},
                       [](RowCode& row) { row.Out(0, row.PickedRow(1, 0)); })[0];
  StoreRow(part, *y, 0);
  return {{{DType::kI32}, {table, true}}, {{dtype}}, DType::kF32, {part}};
}

// rope, rope_kv_write, qk_norm_rope and qk_norm_rope_kv_write.
struct RopeCase {
  DType dtype;
  int64_t hq, hk, d, turned;
  std::string layout;
  std::string style = {};  // empty: without norms
  DType q_weight = DType::kF32, k_weight = DType::kF32;
  bool writes = false;
  DType cache = DType::kF32;
  bool step_inputs = false;  // positions and slots are constant

  bool norms() const { return !style.empty(); }
  std::vector<Segment> Cut() const {
    const int64_t half = turned / 2;
    std::vector<Segment> cut = {{0, half, 1}, {half, half, 1}};
    if (layout == "interleaved") cut = {{0, half, 2}, {1, half, 2}};
    if (turned < d) cut.push_back({turned, d - turned, 1});
    return cut;
  }
};
inline Program Rope(const RopeCase& c) {
  Program program;
  program.cache = c.cache;
  const auto in = [&](DType dtype, bool constant = false) {
    program.in.push_back({dtype, constant});
    return static_cast<int>(program.in.size()) - 1;
  };
  const int q = in(c.dtype), k = in(c.dtype);
  const int v = c.writes ? in(c.dtype) : -1;
  const std::array weights = {c.norms() ? in(c.q_weight, true) : -1,
                              c.norms() ? in(c.k_weight, true) : -1};
  const int pos = in(DType::kI32, c.step_inputs), cs = in(DType::kF32, true);
  const int slot = c.writes ? in(DType::kI32, c.step_inputs) : -1;
  const auto turned_row = [&](Part& part, int port, size_t which) {
    Operand x = Memory(port, c.dtype, c.d);
    if (c.norms()) {
      const DType weight = which == 0 ? c.q_weight : c.k_weight;
      const Attrs attrs{{"eps", 1e-5}, {"style", c.style}};
      x = Made(Apply(part, {x, Memory(weights[which], weight)}, {c.dtype}, attrs, Normalise)[0],
               c.dtype);
    }
    return *Apply(part, {x, Memory(pos, DType::kI32), Memory(cs, DType::kF32, c.turned)}, {c.dtype},
                  {}, Turn)[0];
  };
  Part q_part{c.hq, c.d, q, c.Cut(), {}}, k_part{c.hk, c.d, k, c.Cut(), {}};
  StoreRow(q_part, turned_row(q_part, q, 0), 0);
  program.out.push_back({c.dtype});
  const Row k_row = turned_row(k_part, k, 1);
  if (!c.writes) {
    StoreRow(k_part, k_row, 1);
    program.out.push_back({c.dtype});
    program.parts = {q_part, k_part};
    return program;
  }
  Apply(k_part, {Made(k_row, c.dtype), Memory(slot, DType::kI32)}, {}, {}, Keep<Rows::kKeys>);
  Part v_part{c.hk, c.d, v, {{0, c.d, 1}}, {}};
  Apply(v_part, {Memory(v, c.dtype), Memory(slot, DType::kI32)}, {}, {}, Keep<Rows::kValues>);
  program.parts = {q_part, k_part, v_part};
  return program;
}

// Programs of every shape that generated code knows.
struct Named {
  std::string name;
  Program program;
};
inline std::vector<Named> AllPrograms() {
  constexpr DType kBf = DType::kBF16, kF32 = DType::kF32, kF16 = DType::kF16;
  constexpr DType kF8 = DType::kF8E4M3;
  return {
      {"silu mul", Activation(kBf, 14336, Code::kSilu, true)},
      {"gelu of an odd row", Activation(kF16, 37, Code::kGelu, false)},
      {"gelu tanh mul in f32", Activation(kF32, 64, Code::kGeluTanh, true)},
      {"rms norm", RmsNorm({kBf, kBf, 1, 4096, "llama"})},
      {"norm of heads", RmsNorm({kBf, kF32, 8, 128, "gemma"})},
      {"add rms norm", AddRmsNorm({kBf, kBf, 1, 4096, "llama"})},
      {"add rms norm of a wide row", AddRmsNorm({kF16, kF32, 1, 17000, "olmo"})},
      {"norm add norm", NormAddNorm({kBf, kBf, 1, 2048, "gemma"})},
      {"norm add norm of a wide row", NormAddNorm({kF32, kBf, 1, 17000, "llama"})},
      {"embed", Embed(kBf, kF16, 4096)},
      {"rope half", Rope({kBf, 32, 8, 128, 128, "half"})},
      {"rope interleaved", Rope({kF16, 4, 1, 64, 64, "interleaved"})},
      {"rope partial", Rope({kBf, 4, 2, 128, 64, "half"})},
      {"rope odd", Rope({kF32, 3, 3, 7, 6, "interleaved"})},
      {"rope kv write", Rope({kBf, 32, 8, 128, 128, "half", "", kF32, kF32, true, kBf})},
      {"rope kv write fp8", Rope({kBf, 8, 1, 80, 20, "interleaved", "", kF32, kF32, true, kF8})},
      {"norm rope kv write", Rope({kBf, 32, 8, 128, 128, "half", "llama", kBf, kBf, true, kBf})},
      {"norm rope kv write, partial",
       Rope({kF16, 4, 2, 128, 64, "half", "gemma", kF16, kF32, true, kF8})},
      {"rope kv write of a step",
       Rope({kBf, 32, 8, 128, 128, "half", "", kF32, kF32, true, kBf, true})},
      {"norm rope of odd heads", Rope({kBf, 4, 2, 80, 80, "half", "olmo", kBf, kBf})},
      {"norm rope interleaved",
       Rope({kF32, 4, 2, 96, 32, "interleaved", "llama", kF32, kF32, true, kF32})},
  };
}

}  // namespace rw::native::testing
