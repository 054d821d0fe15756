#include "native/row_code.h"

#include <algorithm>

#include "base/check.h"

namespace rw::native {

Row operator+(const Row& a, const Row& b) { return a.code->Combine(Code::kAdd, a, b); }
Row operator-(const Row& a, const Row& b) { return a.code->Combine(Code::kSub, a, b); }
Row operator*(const Row& a, const Row& b) { return a.code->Combine(Code::kMul, a, b); }
Row operator/(const Row& a, const Row& b) { return a.code->Combine(Code::kDiv, a, b); }

int RowCode::Emit(Instr instr) {
  const auto equal = std::ranges::find(part_.code, instr);
  if (equal != part_.code.end()) return static_cast<int>(equal - part_.code.begin());
  part_.code.push_back(std::move(instr));
  return static_cast<int>(part_.code.size()) - 1;
}

int RowCode::LoadSegment(int operand, Rows rows, int picker, const Segment& at) {
  const Operand& in = operands_[static_cast<size_t>(operand)];
  RW_CHECK(in.port >= 0, "operand {} is not in memory", operand);
  return Emit({.code = Code::kLoad,
               .length = at.length,
               .at = at,
               .port = in.port,
               .rows = rows,
               .picker = picker < 0 ? -1 : operands_[static_cast<size_t>(picker)].port,
               .dtype = in.dtype});
}

Row RowCode::Load(int operand, Rows rows, int picker) {
  Row row{this, {}, false};
  for (const Segment& at : part_.segments) {
    row.parts.push_back(LoadSegment(operand, rows, picker, at));
  }
  return row;
}

Row RowCode::In(int operand) {
  const Operand& in = operands_[static_cast<size_t>(operand)];
  if (in.made) return {this, in.made->parts, in.made->scalar};
  return Load(operand, Rows::kOwn, -1);
}

Row RowCode::Weights(int operand) { return Load(operand, Rows::kShared, -1); }
Row RowCode::PickedRow(int operand, int index) { return Load(operand, Rows::kPicked, index); }
Row RowCode::Picked(int operand, int index, const Segment& at) {
  return {this, {LoadSegment(operand, Rows::kPicked, index, at)}, false};
}

Row RowCode::Number(double number) {
  return {this,
          {Emit({.code = Code::kNumber, .scalar = true, .number = static_cast<float>(number)})},
          true};
}

Row RowCode::Map(Code code, const Row& x) {
  Row y{this, {}, x.scalar};
  for (const int part : x.parts) {
    const int64_t length = part_.code[static_cast<size_t>(part)].length;
    y.parts.push_back(Emit({.code = code, .args = {part}, .length = length, .scalar = x.scalar}));
  }
  return y;
}

Row RowCode::Combine(Code code, const Row& a, const Row& b) {
  RW_CHECK(a.scalar || b.scalar || a.parts.size() == b.parts.size(), "{} and {} segments",
           a.parts.size(), b.parts.size());
  Row y{this, {}, a.scalar && b.scalar};
  const std::vector<int>& longer = a.scalar ? b.parts : a.parts;
  for (size_t i = 0; i < longer.size(); ++i) {
    y.parts.push_back(Emit({.code = code,
                            .args = {a.parts[a.scalar ? 0 : i], b.parts[b.scalar ? 0 : i]},
                            .length = part_.code[static_cast<size_t>(longer[i])].length,
                            .scalar = y.scalar}));
  }
  return y;
}

Row RowCode::SumSquares(const Row& x) {
  RW_CHECK(x.parts.size() == segments());
  return {this, {Emit({.code = Code::kSumSquares, .args = x.parts, .scalar = true})}, true};
}

Row RowCode::NormFactor(const Row& sum_squares, double eps) {
  return {this,
          {Emit({.code = Code::kNormFactor,
                 .args = sum_squares.parts,
                 .scalar = true,
                 .number = static_cast<float>(eps)})},
          true};
}

Row RowCode::Round(DType dtype, const Row& x) {
  if (dtype == DType::kF32) return x;
  Row y{this, {}, x.scalar};
  for (const int part : x.parts) {
    const Instr& instr = part_.code[static_cast<size_t>(part)];
    const bool fits = instr.code == Code::kRound || instr.code == Code::kLoad;
    if (fits && instr.dtype == dtype) {
      y.parts.push_back(part);
      continue;
    }
    const int64_t length = instr.length;
    y.parts.push_back(Emit({.code = Code::kRound,
                            .args = {part},
                            .length = length,
                            .scalar = x.scalar,
                            .dtype = dtype}));
  }
  return y;
}

Row RowCode::Join(std::span<const Row> segments) {
  Row row = segments.front();
  for (const Row& next : segments.subspan(1)) {
    row.parts.insert(row.parts.end(), next.parts.begin(), next.parts.end());
  }
  return row;
}

void RowCode::Out(int result, const Row& x) {
  results_[static_cast<size_t>(result)] = Round(dtype(result), x);
}

void RowCode::StoreCache(Rows plane, int slot, const Row& x) {
  for (size_t i = 0; i < x.parts.size(); ++i) {
    part_.code.push_back({.code = Code::kStoreCache,
                          .args = {x.parts[i]},
                          .length = part_.segments[i].length,
                          .at = part_.segments[i],
                          .rows = plane,
                          .picker = operands_[static_cast<size_t>(slot)].port});
  }
}

void StoreRow(Part& part, const Row& x, int port) {
  for (size_t i = 0; i < x.parts.size(); ++i) {
    part.code.push_back({.code = Code::kStore,
                         .args = {x.parts[i]},
                         .length = part.segments[i].length,
                         .at = part.segments[i],
                         .port = port});
  }
}

}  // namespace rw::native
