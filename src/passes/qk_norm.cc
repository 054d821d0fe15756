#include "passes/qk_norm.h"

#include "ops/ops.h"

namespace rw {
namespace {

bool NormsWholeRow(const Matcher& m, ValueId heads) {
  const int split = m.Producer(heads, ops::kSplitHeads);
  return split >= 0 && m.Producer(m.node(split).in[0], ops::kRmsNorm) >= 0;
}

}  // namespace

std::optional<QkNorm> FindQkNorm(const Matcher& m, int rope, Matches& matches) {
  const Node& node = m.node(rope);
  const int q = m.Producer(node.in[0], ops::kRmsNorm);
  const int k = m.Producer(node.in[1], ops::kRmsNorm);
  if (q < 0 && k < 0) {
    if (NormsWholeRow(m, node.in[0]) || NormsWholeRow(m, node.in[1])) {
      matches.Decline(node.layer, Reason::kNormOfWholeRow, "");
    }
    return std::nullopt;
  }
  if (q < 0 || k < 0) {
    matches.Decline(node.layer, Reason::kDifferentAttributes,
                    q < 0 ? "only k is normalised" : "only q is normalised");
    return std::nullopt;
  }
  if (m.node(q).attrs != m.node(k).attrs) {
    matches.Decline(node.layer, Reason::kDifferentAttributes,
                    "the norms of q and k differ in eps or style");
    return std::nullopt;
  }
  QkNorm norm{q, k, m.node(q).attrs};
  norm.attrs.Set("layout", node.attrs.String("layout"));
  return norm;
}

}  // namespace rw
