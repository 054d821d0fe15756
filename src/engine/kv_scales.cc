#include "engine/kv_scales.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

namespace rw {
namespace {

// After "model.layers.N.self_attn.". The last is one scale for both.
struct Names {
  std::string_view k, v;
};
constexpr Names kNames[] = {{"k_scale", "v_scale"},
                            {"attn.k_scale", "attn.v_scale"},
                            {"k_proj.k_scale", "v_proj.v_scale"},
                            {"kv_scale", "kv_scale"}};

std::string FullName(int64_t layer, std::string_view name) {
  return fmt::format("model.layers.{}.self_attn.{}", layer, name);
}

// One number for each head.
Status Spread(const std::string& name, std::vector<float>& numbers, int64_t heads) {
  if (numbers.size() == 1) numbers.resize(static_cast<size_t>(heads), numbers[0]);
  if (static_cast<int64_t>(numbers.size()) != heads) {
    return Err("{}: expected one scale or one for each of {} kv heads, found {}", name, heads,
               numbers.size());
  }
  for (const float scale : numbers) {
    if (!(scale > 0) || !std::isfinite(scale)) {
      return Err("{}: expected scales above 0, found {}", name, scale);
    }
  }
  return {};
}

}  // namespace

Result<KvScales> ReadKvScales(const Weights& weights, int64_t layers, int64_t heads) {
  KvScales scales;
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (const Names& names : kNames) {
      const std::string k_name = FullName(layer, names.k), v_name = FullName(layer, names.v);
      RW_ASSIGN(std::vector<float> k, weights.Numbers(k_name));
      RW_ASSIGN(std::vector<float> v, weights.Numbers(v_name));
      if (k.empty() && v.empty()) continue;
      if (k.empty() || v.empty()) {
        return Err("expected {} beside {}, found none", k.empty() ? k_name : v_name,
                   k.empty() ? v_name : k_name);
      }
      RW_TRY(Spread(k_name, k, heads));
      RW_TRY(Spread(v_name, v, heads));
      scales.k.resize(static_cast<size_t>(layers * heads), 1);
      scales.v.resize(static_cast<size_t>(layers * heads), 1);
      std::ranges::copy(k, scales.k.begin() + layer * heads);
      std::ranges::copy(v, scales.v.begin() + layer * heads);
      break;
    }
  }
  return scales;
}

}  // namespace rw
