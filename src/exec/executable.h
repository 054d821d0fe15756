// The waist of the lane: what lowering makes and the runtime runs. Steps in order, each a kernel
// row with places in memory; no graph, no rules.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/attrs.h"
#include "base/dtype.h"
#include "base/status.h"
#include "base/tensor.h"
#include "kernels/kernel.h"

namespace rw {

// A size at run time: a number, or index `symbol` into the executable's symbols.
struct Extent {
  int64_t value = 0;
  int symbol = -1;
};

// Where a tensor lies: in an input, a weight or the arena of intermediate results, `offset` bytes
// from its start, with rows `row_stride` elements apart.
struct Slot {
  enum class Space : uint8_t { kInput, kWeight, kArena };
  Space space = Space::kArena;
  int index = 0;  // of the input or weight
  int64_t offset = 0;
  DType dtype = DType::kF32;
  std::vector<Extent> dims;
  int64_t row_stride = 0;  // 0: rows follow each other without a gap
};

struct Step {
  const KernelRow* kernel;
  std::vector<Slot> in;
  std::vector<Slot> out;
  int kv_layer = -1;  // index of the cache it reads or writes, -1 for none
  Attrs attrs;
  int layer = -1;                                  // of the model, for reports
  std::shared_ptr<const native::Program> program;  // of generated code; equal ones are shared
};

struct TensorPort {
  std::string name;
  DType dtype;
  std::vector<Extent> dims;
};

struct KvPort {
  std::string name;
  DType dtype;
  int64_t heads;
  int64_t head_dim;
};

struct OutputPort {
  std::string name;
  Slot slot;
};

// Steps [first, last) of one piece of the graph, cut at splitting ops.
struct ExecPiece {
  int first;
  int last;
  bool splitting;  // never part of a captured graph
  int equal_to;    // index of the first piece with the same steps up to where their data lies
};

struct Executable {
  std::vector<std::string> symbols;  // "n", "r", ...
  std::vector<int64_t> limits;  // the largest number each symbol may have; 0: any (inputs only)
  std::vector<TensorPort> inputs;
  std::vector<TensorPort> weights;
  std::vector<KvPort> kv;
  std::vector<Step> steps;
  std::vector<ExecPiece> pieces;  // in order, without gaps
  std::vector<OutputPort> outputs;
  int64_t arena_bytes = 0;

  int SymbolIndex(std::string_view name) const;  // -1 if the executable has none of that name
  std::vector<const native::Program*> Programs() const;  // of the steps, each once
};

}  // namespace rw
