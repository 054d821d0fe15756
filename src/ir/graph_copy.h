// Copies a graph call by call, so that a rewrite states only what it changes. Values keep their
// names.
#pragma once

#include <vector>

#include "base/status.h"
#include "ir/graph.h"

namespace rw {

class GraphCopy {
 public:
  // Starts with the inputs and weights of `from`.
  explicit GraphCopy(const Graph& from);

  Graph& to() { return to_; }
  // What stands for a value of `from`, which must be there already.
  ValueId Moved(ValueId id) const;
  std::vector<ValueId> Moved(const std::vector<ValueId>& ids) const;
  void Bind(ValueId from, ValueId to) { moved_[static_cast<size_t>(from)] = to; }
  // A call whose operands and results are named by values of `from`.
  Status Call(const OpDef& op, const std::vector<ValueId>& in, const Attrs& attrs,
              const std::vector<ValueId>& out, int layer);
  Status Copy(const Node& node);
  // Adds the outputs.
  Graph Finish();

 private:
  const Graph& from_;
  Graph to_;
  std::vector<ValueId> moved_;
};

}  // namespace rw
