// silu + mul  =>  silu_mul, and so for gelu and gelu_tanh
//
// Saves a store and a load of the activated gate.
#include "passes/activations.h"
#include "passes/passes.h"

namespace rw {
void FindActMul(const Matcher& m, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    const Node& mul = m.node(i);
    if (mul.op != &ops::kMul) continue;
    for (const Activation& activation : kActivations) {
      // The product is the same bits either way round.
      const bool first = m.Producer(mul.in[0], *activation.op) >= 0;
      const int act = m.Producer(mul.in[first ? 0 : 1], *activation.op);
      if (act < 0) continue;
      matches.Add({.nodes = {act, i},
                   .op = activation.gated,
                   .in = {m.node(act).in[0], mul.in[first ? 1 : 0]},
                   .attrs = {},
                   .out = mul.out,
                   .layer = mul.layer});
      break;
    }
  }
}

}  // namespace rw
