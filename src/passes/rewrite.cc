#include "passes/rewrite.h"

#include "base/check.h"
#include "ir/graph_copy.h"

namespace rw {

Graph Rewrite(const Graph& graph, const std::vector<Site>& sites) {
  const size_t count = graph.nodes().size();
  std::vector<bool> replaced(count);
  std::vector<std::vector<const Site*>> before(count);
  for (const Site& site : sites) {
    before[static_cast<size_t>(site.before)].push_back(&site);
    for (const int node : site.nodes) {
      RW_CHECK(!replaced[static_cast<size_t>(node)], "two sites share a node");
      replaced[static_cast<size_t>(node)] = true;
    }
  }
  GraphCopy copy(graph);
  const auto check = [](const Status& status) {
    RW_CHECK(status.has_value(), "rewrite: {}", status.error().message);
  };
  for (size_t i = 0; i < count; ++i) {
    for (const Site* site : before[i]) {
      check(copy.Call(*site->op, site->in, site->attrs, site->out, site->layer));
    }
    if (!replaced[i]) check(copy.Copy(graph.nodes()[i]));
  }
  return copy.Finish();
}

}  // namespace rw
