// rope + kv_write  =>  rope_kv_write
//
// Saves one store and one load of the rotated k. Whether rope would run as a custom op or as native
// code does not matter: the pattern is on ops. Layout, partial rotary, window and head dim are the
// ops' own business and pass through.
#include "ops/ops.h"
#include "passes/passes.h"

namespace rw {

void FindRopeKvcache(const Matcher& m, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    const Node& write = m.node(i);
    if (write.op != &ops::kKvWrite) continue;
    const int r = m.Producer(write.in[0], ops::kRope);
    if (r < 0 || m.node(r).out[1] != write.in[0]) continue;
    const Node& rope = m.node(r);
    matches.Add({.nodes = {r, i},
                 .op = &ops::kRopeKvWrite,
                 .in = {rope.in[0], rope.in[1], write.in[1], rope.in[2], rope.in[3], write.in[2],
                        write.in[3]},
                 .attrs = rope.attrs,
                 .out = {rope.out[0], write.out[0]},
                 .layer = write.layer});
  }
}

}  // namespace rw
