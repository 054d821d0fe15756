// Puts the calls that a pass found into a graph.
#pragma once

#include <vector>

#include "passes/matcher.h"

namespace rw {

// The graph with each site replaced by its call. Sites share no nodes. Values keep their names.
Graph Rewrite(const Graph& graph, const std::vector<Site>& sites);

}  // namespace rw
