// What a call of an op is given where no model gives it anything: tests and benchmarks make their
// graphs and operands here, from the op's row alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "ir/graph.h"

namespace rw::ops {

// The numbers behind the variables of a signature.
struct CallShape {
  DType dtype = DType::kF32;     // of activations and weights
  DType kv_dtype = DType::kF32;  // of the cache
  int64_t tokens = 1;            // n, and as many rows r and sequences s
  int64_t hq = 4, hk = 2, d = 16;
  int64_t width = 64;  // h and k, and what follows from them
  int64_t vocabulary = 256;
  int64_t positions = 64;  // rows of the table of angles
  int64_t context = 48;    // cached positions of each sequence that attention reads
  bool padding = false;    // the last token is padding: slot -1
};

// Whether the op's signature names this variable: what an op has no use for is no part of a shape.
bool Uses(const OpDef& op, std::string_view variable);
bool HasCache(const OpDef& op);

// One call of the op, operands as inputs and weights, results as outputs. Sizes that a step decides
// (n, r, s, s1, p, rows of angles) are symbols. Attributes with several texts take the first;
// optional operands are left out.
Result<Graph> CallGraph(const OpDef& op, const CallShape& shape);

// Numbers for the graph's symbols, and "context" for BytesMoved.
std::map<std::string, int64_t, std::less<>> SymbolsOf(const CallShape& shape);

// Pages that the call's cache needs.
int64_t CachePages(const OpDef& op, const CallShape& shape);

// What an operand of that name holds: numbers that mean something (positions, slots, angles,
// lengths ...), or nothing where any random numbers do (base/random_fill.h). Floats are the same
// for every seed.
using Contents = std::variant<std::monostate, std::vector<int32_t>, std::vector<float>>;
Contents ContentsOf(std::string_view operand, const CallShape& shape, uint64_t seed);

}  // namespace rw::ops
