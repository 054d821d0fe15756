// rms_norm of q + rms_norm of k + rope  =>  qk_norm_rope
//
// Saves a store and a load of q and k.
#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/qk_norm.h"

namespace rw {

void FindQkNormRope(const Matcher& m, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    const Node& rope = m.node(i);
    if (rope.op != &ops::kRope) continue;
    const std::optional<QkNorm> norm = FindQkNorm(m, i, matches);
    if (!norm) continue;
    const Node& q = m.node(norm->q);
    const Node& k = m.node(norm->k);
    matches.Add({.nodes = {norm->q, norm->k, i},
                 .op = &ops::kQkNormRope,
                 .in = {q.in[0], k.in[0], q.in[1], k.in[1], rope.in[2], rope.in[3]},
                 .attrs = norm->attrs,
                 .out = rope.out,
                 .layer = rope.layer});
  }
}

}  // namespace rw
