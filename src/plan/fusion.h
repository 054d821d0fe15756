// The fusions a plan decides, as a table: what each joins, what op it makes, when it is tried.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "plan/knob.h"

namespace rw {

struct FusionDef {
  Knob knob;
  std::string_view joins;               // in words: "rope + kv_write"
  std::vector<std::string_view> parts;  // ops of src/ops that it joins
  std::vector<std::string_view> makes;  // ops that it makes; empty: Ropewalk has no such op yet
  std::string_view missing;             // why it makes none
  int level;                   // the first level that tries it where nothing was measured; 4: none
  std::string_view custom_op;  // vLLM's name of the op that it needs hand-written
  std::vector<Knob> contains;  // smaller fusions that it includes
  std::vector<Knob> competes;  // fusions that want an op that it takes
  std::string_view needs;      // requirements in words, for the docs

  bool writes_cache() const { return std::ranges::find(parts, "kv_write") != parts.end(); }
};

// In the order of the knobs.
std::span<const FusionDef> Fusions();
const FusionDef* FindFusion(Knob knob);  // nullptr if the knob is no fusion
// Whether `fusion` finds only what `taker` left where both are on: it is included in it, or looks
// for the same rope after it.
bool TakesFrom(const FusionDef& taker, Knob fusion);
// Index of a fusion in Fusions(), for arrays beside it.
inline constexpr int kNumFusions =
    static_cast<int>(Knob::kFuseNormLinear) - static_cast<int>(Knob::kFuseNormQuant) + 1;
inline constexpr int FusionIndex(Knob knob) {
  return static_cast<int>(knob) - static_cast<int>(Knob::kFuseNormQuant);
}

}  // namespace rw
