// How much memory one run of a graph must move, by the ops' own rows.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "ir/graph.h"

namespace rw {

// Bytes read and written by all calls. `sizes` numbers the graph's symbols; "context" is the number
// of cached positions that one attention reads, over all sequences. Views move nothing.
int64_t BytesMoved(const Graph& graph, const std::map<std::string, int64_t, std::less<>>& sizes);

}  // namespace rw
