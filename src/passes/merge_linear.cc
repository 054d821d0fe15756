// linear + linear + linear of one x  =>  linear3, and two  =>  linear2
//
// One call reads x once and has one barrier. Weights are operands as before: nothing is copied.
#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/products.h"

namespace rw {
namespace {

// The linears that read x, which has exactly `count` of them, as one call of `merged`.
void Merge(const Matcher& m, const std::vector<int>& linears, const OpDef& merged,
           Matches& matches) {
  const int layer = m.node(linears[0]).layer;
  const auto products = ProductsOf(m, linears);
  if (!products) {
    return matches.Decline(layer, Reason::kDifferentAttributes, "only some have a bias");
  }
  Site site{.nodes = linears, .op = &merged, .in = {products->x}, .layer = layer};
  site.in.insert(site.in.end(), products->weights.begin(), products->weights.end());
  site.in.insert(site.in.end(), products->biases.begin(), products->biases.end());
  for (const int i : linears) site.out.push_back(m.node(i).out[0]);
  matches.Add(std::move(site));
}

void FindMerges(const Matcher& m, size_t count, const OpDef& merged, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    if (m.node(i).op != &ops::kLinear) continue;
    std::vector<int> linears;
    for (const int user : m.Users(m.node(i).in[0])) {
      if (m.node(user).op == &ops::kLinear && m.node(user).in[0] == m.node(i).in[0]) {
        linears.push_back(user);
      }
    }
    if (linears.size() == count && linears[0] == i) Merge(m, linears, merged, matches);
  }
}

}  // namespace

void FindMergeQkv(const Matcher& m, Matches& matches) { FindMerges(m, 3, ops::kLinear3, matches); }

void FindMergeGateUp(const Matcher& m, Matches& matches) {
  FindMerges(m, 2, ops::kLinear2, matches);
}

}  // namespace rw
