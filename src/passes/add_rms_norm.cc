// add + rms_norm  =>  add_rms_norm
//
// Saves a load of the sum, which stays a result: the residual stream reads it later.
#include "ops/ops.h"
#include "passes/passes.h"

namespace rw {

void FindAddRmsNorm(const Matcher& m, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    const Node& add = m.node(i);
    if (add.op != &ops::kAdd) continue;
    for (const int user : m.Users(add.out[0])) {
      const Node& norm = m.node(user);
      if (norm.op != &ops::kRmsNorm || norm.in[0] != add.out[0]) continue;
      matches.Add({.nodes = {i, user},
                   .op = &ops::kAddRmsNorm,
                   .in = {add.in[0], add.in[1], norm.in[1]},
                   .attrs = norm.attrs,
                   .out = {add.out[0], norm.out[0]},
                   .layer = norm.layer});
      break;  // one norm rides along; others read the sum
    }
  }
}

}  // namespace rw
