#include "passes/products.h"

namespace rw {

std::optional<Products> ProductsOf(const Matcher& m, const std::vector<int>& linears) {
  Products products{.x = m.node(linears[0]).in[0]};
  for (const int i : linears) {
    const Node& linear = m.node(i);
    if (linear.in[0] != products.x) return std::nullopt;
    products.weights.push_back(linear.in[1]);
    if (linear.in.size() == 3) products.biases.push_back(linear.in[2]);
  }
  if (!products.biases.empty() && products.biases.size() != linears.size()) return std::nullopt;
  return products;
}

}  // namespace rw
