// Neighbouring ops that run as native code become regions: one program, one step each.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "native/program.h"
#include "partition/partition.h"

namespace rw {

struct Region {
  std::vector<int> nodes;  // in order; nothing but views stands between them
  native::Program program;
  std::vector<ValueId> in;   // Program::in
  std::vector<ValueId> out;  // Program::out: what is read outside of the region
  ValueId kv = kNoValue;     // the cache it writes
};

// The regions of a piece: its nodes that are marked native (ops/native.h). A region is as large as
// it may be: an op joins the one before it unless it reads a value of that region in another way
// than row by row.
std::vector<Region> FindRegions(const Graph& graph, const Piece& piece);

}  // namespace rw
