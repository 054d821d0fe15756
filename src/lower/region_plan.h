// Which ops share a region and which of its parts: what is decided before any code is written.
#pragma once

#include <map>
#include <vector>

#include "ir/graph.h"
#include "native/row_code.h"

namespace rw {

// The rows that a part walks over.
struct RowDomain {
  Dim rows = int64_t{0};
  int64_t heads = 1;
  int64_t width = 0;
  bool operator==(const RowDomain&) const = default;
};

struct PlannedPart {
  RowDomain domain;
  std::vector<native::Segment> cut;  // empty: no op asks for one
  struct Member {
    int node;
    int meaning;
  };
  std::vector<Member> members;  // in the graph's order
};

class RegionPlan {
 public:
  explicit RegionPlan(const Graph& graph) : graph_(&graph) {}

  // Takes a node in; false, with nothing changed, if it cannot join what is there.
  bool Add(int node);

  const std::vector<int>& nodes() const { return nodes_; }
  const std::vector<PlannedPart>& parts() const { return parts_; }
  ValueId kv() const { return kv_; }  // the cache that is written, if any

 private:
  bool AddMeaning(int node, int meaning);
  // The part that all values read must come from: -1 if none of them is made here, -2 if there is
  // none.
  int PartRead(const Node& node, const native::Meaning& meaning, const RowDomain& domain);
  int PartBeside(const Node& node, const native::Meaning& meaning, const PlannedPart& wanted) const;
  void Unite(int into, int from);

  const Graph* graph_;
  std::vector<int> nodes_;
  std::vector<PlannedPart> parts_;
  std::map<ValueId, int> made_;  // value -> part
  ValueId kv_ = kNoValue;
};

}  // namespace rw
