// Fused ops written out as the ops they stand for.
#pragma once

#include <functional>

#include "base/status.h"
#include "ir/graph.h"

namespace rw::ops {

// The graph with each call for which `expand` says so, and that has a native composition, replaced
// by the calls of that composition. An error names a composition that does not fit its signature.
Result<Graph> ExpandNative(const Graph& graph, const std::function<bool(const Node&)>& expand);

// Whether generated code can do what the op does, or a part of what it is composed of.
bool HasMeaning(const OpDef& op);

// The graph with the calls for which `is_native` says so marked as native code, and written out as
// far as they are compositions of ops with a meaning of their own.
Result<Graph> MakeNative(Graph graph, const std::function<bool(const Node&)>& is_native);

}  // namespace rw::ops
