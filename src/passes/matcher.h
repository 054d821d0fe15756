// What a pass sees of a graph: who makes and who reads each value, and whether ops may be replaced.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"
#include "kernels/kernel.h"
#include "plan/facts.h"

namespace rw {

// Nodes that one call of `op` replaces.
struct Site {
  std::vector<int> nodes;  // indices, ascending
  const OpDef* op = nullptr;
  std::vector<ValueId> in;  // operands of the new call
  Attrs attrs;
  std::vector<ValueId> out;  // the values that its results take over
  int layer = kNoLayer;
  int before = -1;          // the new call stands before this node; set by Matches::Add
  std::string kernel;       // "rope_kv_write/cpu/simd/bf16"; set by Matches::Add
  int64_t most_tokens = 0;  // that this kernel takes; 0: any number; set by Matches::Add
};

// Which kernel would run a call, nullptr for none.
using KernelFinder =
    std::function<const KernelRow*(const OpDef& op, const KernelTypes& types, const Attrs& attrs)>;

class Matcher {
 public:
  Matcher(const Graph& graph, KernelFinder find_kernel);

  const Graph& graph() const { return graph_; }
  const std::vector<Node>& nodes() const { return graph_.nodes(); }
  const Node& node(int index) const { return graph_.nodes()[static_cast<size_t>(index)]; }
  // The node that makes the value, -1 for inputs and weights; and if it is a call of `op`, else -1.
  int Producer(ValueId id) const { return graph_.value(id).producer; }
  int Producer(ValueId id, const OpDef& op) const;
  // Nodes that read the value, ascending, each once.
  const std::vector<int>& Users(ValueId id) const { return users_[static_cast<size_t>(id)]; }
  bool IsOutput(ValueId id) const { return is_output_[static_cast<size_t>(id)]; }
  const KernelFinder& find_kernel() const { return find_kernel_; }

 private:
  const Graph& graph_;
  KernelFinder find_kernel_;
  std::vector<std::vector<int>> users_;
  std::vector<bool> is_output_;
};

// What a pass found: sites to rewrite, and patterns it leaves alone with the reason.
class Matches {
 public:
  explicit Matches(const Matcher& matcher) : m_(matcher) {}

  // Takes the site if it may be rewritten, else declines it. Checked here for every pass: values
  // that would vanish have no other reader; a place in the order exists between the last operand
  // and the first reader; no cache is read in an older state; the new results have the old types; a
  // kernel takes them.
  void Add(Site site);
  void Decline(int layer, Reason reason, std::string detail);

  const std::vector<Site>& sites() const { return sites_; }
  const std::vector<Declined>& declined() const { return declined_; }
  // Drops sites that `refused` gives a detail for, with that reason.
  void Filter(Reason reason, const std::function<std::string(const Site&)>& refused);

 private:
  const Matcher& m_;
  std::vector<Site> sites_;
  std::vector<Declined> declined_;
};

}  // namespace rw
