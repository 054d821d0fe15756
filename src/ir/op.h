// An op is defined once, by a row: what it is called, what it takes and gives, what it means, what
// it must move. Rows live in src/ops; everything else asks them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/attrs.h"
#include "base/status.h"
#include "ir/signature.h"
#include "ir/type.h"
#include "native/row_code.h"

namespace rw {

// One attribute of an op. Text attributes name their allowed values.
struct AttrDef {
  enum class Kind : uint8_t { kInt, kFloat, kText };
  std::string_view name;
  Kind kind;
  std::vector<std::string_view> values;  // kText: empty allows any
};

// How the op's result relates to memory.
enum class Memory : uint8_t {
  kWrites,   // a kernel writes fresh memory
  kInPlace,  // a kernel writes; result i may lie where operand i lies, if the types are the same
  kView,     // no kernel: the result is operand 0 seen differently (slice, reshape)
};

// Numbers for the dim variables of one call ("n" -> 512), for counting bytes.
using DimNumber = std::function<int64_t(std::string_view variable)>;

struct OpDef {
  std::string_view name;
  Signature signature;
  std::string_view summary;
  std::vector<AttrDef> attrs;
  Memory memory = Memory::kWrites;
  // Where a kView starts in a row of operand 0, in elements.
  int64_t (*view_offset)(const Attrs& attrs) = nullptr;
  // Rows of operand `index` that one call reads where that is not all of them (a gather reads n
  // rows of a table of v), else -1. nullptr: everything in the signature moves once.
  int64_t (*rows_read)(int index, const DimNumber& dim) = nullptr;
  // What a fused op stands for, as calls of smaller ops over its operands' names:
  //   "q, k = rope(q, k, pos, cs) {layout}; kv = kv_write(k, v, slot, kv)"
  // A name may be bound again; the results are the last bindings of the results' names. {layout}
  // passes the attribute on, <act>_mul names an op by an attribute's text; an operand left out is
  // left out in the calls too.
  // Empty: the op is not made of others. See ops/native.h.
  std::string_view native = {};
  // What the op does to each row, for generated code: one for each domain that it walks. Empty: its
  // native composition has that, or only a kernel can do it.
  std::vector<native::Meaning> meanings = {};
};

// The result types of a call, by unification of the signature's variables with the operands' types.
// An int attribute named like a dim variable binds it; the attribute "dtype" binds a result dtype
// that no operand names. An error says which operand departs and how.
Result<std::vector<Type>> InferResults(const OpDef& op, std::span<const Type> operands,
                                       const Attrs& attrs);

// Attributes are exactly those of the row, of the right kind and value.
Status CheckAttrs(const OpDef& op, const Attrs& attrs);

}  // namespace rw
