// How an op says what it does to a row: a function over RowCode (OpDef::meanings) that writes the
// op's instructions into a part. The same function serves alone and merged with neighbours: an
// operand is a row in memory or what an earlier op of the part has made, which the function does
// not see.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/attrs.h"
#include "native/program.h"

namespace rw::native {

class RowCode;

// Numbers of a row, by segment, or one number for the whole row.
struct Row {
  RowCode* code = nullptr;
  std::vector<int> parts;  // an instruction for each segment; of a scalar: one
  bool scalar = false;

  Row operator[](size_t segment) const { return {code, {parts[segment]}, scalar}; }
};
Row operator+(const Row& a, const Row& b);
Row operator-(const Row& a, const Row& b);
Row operator*(const Row& a, const Row& b);
Row operator/(const Row& a, const Row& b);

// What an op's operand is to a part.
struct Operand {
  std::optional<Row> made;  // by an earlier op of the part
  int port = -1;            // else: Program::in
  DType dtype = DType::kF32;
  int64_t width = 0;  // elements of a row of it
};

class RowCode {
 public:
  RowCode(Part& part, std::span<const Operand> operands, std::span<const DType> results,
          const Attrs& attrs)
      : part_(part), operands_(operands), dtypes_(results), attrs_(attrs) {
    results_.resize(results.size());
  }

  const Attrs& attrs() const { return attrs_; }
  size_t segments() const { return part_.segments.size(); }
  int64_t WidthOf(int operand) const { return operands_[static_cast<size_t>(operand)].width; }

  Row In(int operand);       // the row itself
  Row Weights(int operand);  // a vector along the row, the same for all rows
  // Elements of row index[i] of an operand, where the op has a table and an operand of indices.
  Row Picked(int operand, int index, const Segment& at);
  Row PickedRow(int operand, int index);  // all of it, by segment

  Row Number(double number);
  Row Tanh(const Row& x) { return Map(Code::kTanh, x); }
  Row Silu(const Row& x) { return Map(Code::kSilu, x); }
  Row Gelu(const Row& x) { return Map(Code::kGelu, x); }
  Row GeluTanh(const Row& x) { return Map(Code::kGeluTanh, x); }
  Row SumSquares(const Row& x);  // of a whole row
  Row NormFactor(const Row& sum_squares, double eps);
  Row Round(DType dtype, const Row& x);
  static Row Join(std::span<const Row> segments);

  // The type of a result; what is bound to the result passes through it.
  DType dtype(int result) const { return dtypes_[static_cast<size_t>(result)]; }
  void Out(int result, const Row& x);
  void StoreCache(Rows plane, int slot, const Row& x);

  const std::optional<Row>& result(size_t i) const { return results_[i]; }

  Row Combine(Code code, const Row& a, const Row& b);

 private:
  Row Map(Code code, const Row& x);
  Row Load(int operand, Rows rows, int picker);
  int LoadSegment(int operand, Rows rows, int picker, const Segment& at);
  int Emit(Instr instr);  // an equal one that is there already serves again

  Part& part_;
  std::span<const Operand> operands_;
  std::span<const DType> dtypes_;
  const Attrs& attrs_;
  std::vector<std::optional<Row>> results_;
};

// Writes a row to memory.
void StoreRow(Part& part, const Row& x, int port);

// What an op does to the rows of one of its operands. An op has one meaning for each domain it
// walks: rope one for q and one for k.
struct Meaning {
  int domain = 0;          // operand whose rows are walked; kFirstResult: those of the result
  std::vector<int> reads;  // operands
  void (*code)(RowCode& row);
  // How the row must be cut; nullptr: in any way. `widths`: of the operands.
  std::vector<Segment> (*cut)(const Attrs& attrs, std::span<const int64_t> widths) = nullptr;
};
inline constexpr int kFirstResult = -1;

}  // namespace rw::native
