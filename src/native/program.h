// What a generated kernel computes: straight-line code over rows.
//
// A program stands for several ops at once. It has parts, which do not depend on each other; each
// part runs its code once for each row of its domain, [count, heads] rows of `width` elements.
// Numbers are float32 throughout; kRound says where they pass through a narrower type. A row is cut
// into segments (the halves that rope pairs up), and an instruction works on one segment: its
// result has the segment's length, or is one number for the whole row.
//
// Devices run programs in their own ways (kernels/cpu/simd/native.cc interprets them a tile at a
// time, native/gpu_source.h writes source text), all with the arithmetic of kernels/scalar_math.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace rw::native {

// Elements begin, begin + stride, ... of a row.
struct Segment {
  int64_t begin = 0;
  int64_t length = 0;
  int64_t stride = 1;
  bool operator==(const Segment&) const = default;
};

enum class Code : uint8_t {
  kLoad,
  kNumber,  // Instr::number
  kAdd,
  kSub,
  kMul,
  kDiv,
  kTanh,
  kSilu,
  kGelu,
  kGeluTanh,
  kRound,       // to Instr::dtype and back
  kSumSquares,  // of the whole row; args: all of its segments
  kNormFactor,  // of a sum of squares of `width` elements, with eps = Instr::number
  kStore,
  kStoreCache,
};

// Which row of a port a load or store of row (i, head) goes to.
enum class Rows : uint8_t {
  kOwn,     // (i, head) of [count, heads, width]
  kShared,  // the only row there is: a vector of weights
  kPicked,  // row port[picker][i] of [rows, width of the segment's tensor]
  kKeys,    // kStoreCache: the slot port[picker][i] of head `head` in the cache; -1: nowhere
  kValues,
};

struct Instr {
  Code code;
  std::vector<int> args = {};  // earlier instructions
  int64_t length = 1;          // elements of the result
  bool scalar = false;         // the result is one number for the whole row
  Segment at = {};             // loads and stores
  int port = -1;               // loads: Program::in; kStore: Program::out
  Rows rows = Rows::kOwn;
  int picker = -1;  // Program::in, int32
  float number = 0;
  DType dtype = DType::kF32;  // kRound; kLoad: of the port
  bool operator==(const Instr&) const = default;
};

struct Part {
  int64_t heads = 1;
  int64_t width = 0;
  int counted = -1;               // Program::in; its rows are the part's count
  std::vector<Segment> segments;  // of a row; each element is in one of them
  std::vector<Instr> code;
};

struct Port {
  DType dtype;
  // A weight or an input of the step: no kernel writes it, so it can be read before earlier ones
  // have ended.
  bool constant = false;
};

struct Program {
  std::vector<Port> in;
  std::vector<Port> out;
  DType cache = DType::kF32;  // of the KV cache, where a part stores to it
  std::vector<Part> parts;
};

// One line for each instruction. Equal programs print equal, and the text is the key under which
// generated code is kept.
std::string Print(const Program& program);

}  // namespace rw::native
