// A graph cut into pieces at splitting ops. Equal pieces - of equal layers - are found, so that
// what is made for one serves all of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace rw {

// Nodes [first, last) of the graph.
struct Piece {
  int first;
  int last;
  bool splitting;  // consists of splitting ops; never part of a captured graph
  int equal_to;    // index of the first piece of the same structure; its own if it is the first
  uint64_t hash;   // of the structure: ops, attributes, types and wiring; no names, no layer
};

// In order, without gaps. `splitting_ops` are names of ops; splitting ops that follow each other
// share a piece. No splitting ops: one piece.
std::vector<Piece> Partition(const Graph& graph, std::span<const std::string> splitting_ops);

// How many pieces differ.
int CountDistinct(std::span<const Piece> pieces);

}  // namespace rw
