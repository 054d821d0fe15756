// rms_norm of q + rms_norm of k + rope + kv_write  =>  qk_norm_rope_kv_write
//
// Saves two stores and loads of k and one of q.
#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/qk_norm.h"

namespace rw {

void FindQkNormRopeKvcache(const Matcher& m, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    const Node& write = m.node(i);
    if (write.op != &ops::kKvWrite) continue;
    const int r = m.Producer(write.in[0], ops::kRope);
    if (r < 0 || m.node(r).out[1] != write.in[0]) continue;
    const std::optional<QkNorm> norm = FindQkNorm(m, r, matches);
    if (!norm) continue;
    const Node& rope = m.node(r);
    const Node& q = m.node(norm->q);
    const Node& k = m.node(norm->k);
    matches.Add({.nodes = {norm->q, norm->k, r, i},
                 .op = &ops::kQkNormRopeKvWrite,
                 .in = {q.in[0], k.in[0], write.in[1], q.in[1], k.in[1], rope.in[2], rope.in[3],
                        write.in[2], write.in[3]},
                 .attrs = norm->attrs,
                 .out = {rope.out[0], write.out[0]},
                 .layer = write.layer});
  }
}

}  // namespace rw
