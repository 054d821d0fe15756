// Projections with what follows them, and with the norm before them, in one call:
//
//   linear x3 + split_heads x3 + rope + kv_write  =>  linear3_rope_kv_write
//   linear x2 + silu, gelu or gelu_tanh + mul     =>  linear2_act_mul
//   linear + add                                  =>  linear_add
//   rms_norm + one of these, or linear x1..x3     =>  rms_norm_...
//
// Saves launches and the way of small rows through memory, which count where few tokens leave a
// step nothing but the reading of weights.
#include <array>

#include "ops/ops.h"
#include "passes/activations.h"
#include "passes/passes.h"
#include "passes/products.h"

namespace rw {
namespace {

constexpr std::string_view kSomeBiases = "only some have a bias";

void Append(std::vector<ValueId>& to, const std::vector<ValueId>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// The node that applies an activation to a projection; -1: none.
int FindActivated(const Matcher& m, ValueId id) {
  for (const Activation& activation : kActivations) {
    const int node = m.Producer(id, *activation.op);
    if (node >= 0 && m.Producer(m.node(node).in[0], ops::kLinear) >= 0) return node;
  }
  return -1;
}

struct NormedOp {
  const OpDef* op;
  const OpDef* normed;
};
constexpr std::array kNormedOps = {
    NormedOp{&ops::kLinear, &ops::kRmsNormLinear},
    NormedOp{&ops::kLinear2ActMul, &ops::kRmsNormLinear2ActMul},
    NormedOp{&ops::kLinear3RopeKvWrite, &ops::kRmsNormLinear3RopeKvWrite}};
constexpr std::array kNormedLinears = {&ops::kRmsNormLinear, &ops::kRmsNormLinear2,
                                       &ops::kRmsNormLinear3};

bool Reads(const Node& node, ValueId x) {
  return std::ranges::any_of(kNormedOps, [&](const NormedOp& n) { return n.op == node.op; }) &&
         node.in[0] == x;
}

Attrs Joined(Attrs attrs, const Attrs& more) {
  for (const auto& [name, value] : more) attrs.Set(name, value);
  return attrs;
}

// The norm and its only reader.
Site WithReader(const Matcher& m, int norm, int reader) {
  const Node& from = m.node(norm);
  const Node& to = m.node(reader);
  const auto* normed = std::ranges::find(kNormedOps, to.op, &NormedOp::op);
  Site site{.nodes = {norm, reader},
            .op = normed->normed,
            .in = {from.in[0], from.in[1]},
            .attrs = Joined(from.attrs, to.attrs),
            .out = to.out,
            .layer = to.layer};
  site.in.insert(site.in.end(), to.in.begin() + 1, to.in.end());
  return site;
}

// The norm and several projections.
void AddLinears(const Matcher& m, int norm, const std::vector<int>& linears, Matches& matches) {
  const Node& from = m.node(norm);
  const auto products = ProductsOf(m, linears);
  if (!products) {
    return matches.Decline(from.layer, Reason::kDifferentAttributes, std::string(kSomeBiases));
  }
  Site site{.nodes = linears,
            .op = kNormedLinears[linears.size() - 1],
            .in = {from.in[0], from.in[1]},
            .attrs = from.attrs,
            .layer = from.layer};
  site.nodes.push_back(norm);
  Append(site.in, products->weights);
  Append(site.in, products->biases);
  for (const int i : linears) site.out.push_back(m.node(i).out[0]);
  matches.Add(std::move(site));
}

}  // namespace

void FindLinearRopeKvcache(const Matcher& m, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    const Node& write = m.node(i);
    if (write.op != &ops::kKvWrite) continue;
    const int r = m.Producer(write.in[0], ops::kRope);
    if (r < 0 || m.node(r).out[1] != write.in[0]) continue;
    const Node& rope = m.node(r);
    std::vector<int> splits, linears;
    for (const ValueId id : {rope.in[0], rope.in[1], write.in[1]}) {
      const int split = m.Producer(id, ops::kSplitHeads);
      const int linear = split < 0 ? -1 : m.Producer(m.node(split).in[0], ops::kLinear);
      if (linear < 0) break;
      splits.push_back(split);
      linears.push_back(linear);
    }
    if (linears.size() < 3) continue;
    const auto products = ProductsOf(m, linears);
    if (!products) {
      matches.Decline(write.layer, Reason::kDifferentAttributes,
                      "projections of different x, or only some have a bias");
      continue;
    }
    Site site{.nodes = linears,
              .op = &ops::kLinear3RopeKvWrite,
              .in = {products->x},
              .attrs = Joined(rope.attrs, m.node(splits[0]).attrs),
              .out = {rope.out[0], write.out[0]},
              .layer = write.layer};
    site.nodes.insert(site.nodes.end(), splits.begin(), splits.end());
    site.nodes.insert(site.nodes.end(), {r, i});
    Append(site.in, products->weights);
    Append(site.in, {rope.in[2], rope.in[3], write.in[2], write.in[3]});
    Append(site.in, products->biases);
    matches.Add(std::move(site));
  }
}

void FindLinearActMul(const Matcher& m, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    const Node& mul = m.node(i);
    if (mul.op != &ops::kMul) continue;
    int act = -1, up = -1;
    for (int side = 0; side < 2 && up < 0; ++side) {  // the same bits either way round
      act = FindActivated(m, mul.in[side]);
      if (act >= 0) up = m.Producer(mul.in[1 - side], ops::kLinear);
    }
    if (up < 0) continue;
    const int gate = m.Producer(m.node(act).in[0], ops::kLinear);
    const auto products = ProductsOf(m, {gate, up});
    if (!products) {
      matches.Decline(mul.layer, Reason::kDifferentAttributes,
                      "projections of different x, or only one has a bias");
      continue;
    }
    Site site{.nodes = {gate, up, act, i},
              .op = &ops::kLinear2ActMul,
              .in = {products->x},
              .attrs = {{"act", std::string(m.node(act).op->name)}},
              .out = mul.out,
              .layer = mul.layer};
    Append(site.in, products->weights);
    Append(site.in, products->biases);
    matches.Add(std::move(site));
  }
}

void FindLinearAdd(const Matcher& m, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    const Node& add = m.node(i);
    if (add.op != &ops::kAdd) continue;
    // Of two projections the second, which is the later one in a residual stream.
    const int side = m.Producer(add.in[1], ops::kLinear) >= 0 ? 1 : 0;
    const int l = m.Producer(add.in[side], ops::kLinear);
    if (l < 0) continue;
    const Node& linear = m.node(l);
    Site site{.nodes = {l, i},
              .op = &ops::kLinearAdd,
              .in = {linear.in[0], linear.in[1], add.in[1 - side]},
              .attrs = {},
              .out = add.out,
              .layer = add.layer};
    if (linear.in.size() == 3) site.in.push_back(linear.in[2]);
    matches.Add(std::move(site));
  }
}

void FindNormLinear(const Matcher& m, Matches& matches) {
  for (int i = 0; i < static_cast<int>(m.nodes().size()); ++i) {
    const Node& norm = m.node(i);
    if (norm.op != &ops::kRmsNorm) continue;
    const std::vector<int>& readers = m.Users(norm.out[0]);
    const bool all = !readers.empty() && std::ranges::all_of(readers, [&](int reader) {
      return Reads(m.node(reader), norm.out[0]);
    });
    if (!all || readers.size() > kNormedLinears.size()) continue;
    if (readers.size() == 1) {
      matches.Add(WithReader(m, i, readers[0]));
    } else if (std::ranges::all_of(readers, [&](int r) { return m.node(r).op == &ops::kLinear; })) {
      AddLinears(m, i, readers, matches);
    }
  }
}

}  // namespace rw
