#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plan/names.h"
#include "plan/vllm/hardware.h"
#include "plan/vllm/steps.h"

namespace rw::vllm {
namespace {

using enum Knob;

constexpr std::string_view kRotary = "rotary_embedding";
constexpr Knob kNeedRotary[] = {kEnableQkNormRopeFusion, kFuseRopeKvcache, kFuseQkNormRopeKvcache};
constexpr Knob kNeedReshapesGone[] = {kFuseNormQuant, kFuseActQuant, kFuseAttnQuant,
                                      kFuseAllreduceRms, kFuseActPadding};

bool IsSwitch(std::string_view item) {
  return item.size() >= 2 && (item.front() == '+' || item.front() == '-');
}
bool IsBase(std::string_view item) { return item == "all" || item == "none"; }

// The same list with each name replaced; nothing happens to a list that is not there.
template <class Rename>
void RenameAll(State& state, Knob knob, Rename rename) {
  Names names = state.ListOf(knob);
  for (std::string& name : names) name = rename(name);
  if (names != state.ListOf(knob)) state.Extend(knob, std::move(names), "spelled as in vLLM");
}

}  // namespace

void OwnKnobs(State& state) {
  for (const KnobDef& def : Knobs()) {
    if (def.in_vllm) continue;
    state.Set(def.knob, false, {"vLLM has no such knob", Reason::kPlatformCannot});
  }
}

void FieldDefaults(State& state) {
  if (!state.Has(kEliminateNoops)) state.Set(kEliminateNoops, true, {"the field's default"});
  if (!state.Has(kRopeKvcacheFusionMaxTokenNum)) {
    state.Set(kRopeKvcacheFusionMaxTokenNum, int64_t{256},
              {"the field's default, which both fusions that write the KV cache share"});
  }
}

void SpellAsVllm(State& state) {
  RenameAll(state, kCustomOps, [](const std::string& item) {
    const CustomOpDef* def = IsSwitch(item) ? FindCustomOp(item.substr(1)) : nullptr;
    return def != nullptr ? fmt::format("{}{}", item[0], def->name) : item;
  });
  RenameAll(state, kSplittingOps, [](const std::string& item) {
    const SplittingOpDef* def = FindSplittingOp(item);
    return def != nullptr ? std::string(def->name) : item;
  });
}

void ReshapeWarning(State& state) {
  if (state.On(kEliminateNoops)) return;
  for (const Knob knob : kNeedReshapesGone) {
    if (!state.On(knob)) continue;
    state.Warn("reshapes-stay", fmt::format("{} is on and eliminate_noops is off: reshapes that "
                                            "stay in the graph can hide its pattern",
                                            Def(knob).name));
  }
}

void DropForPlatform(State& state) {
  const Device device = state.facts().platform.device;
  for (const PlatformGate& gate : PlatformGates()) {
    const bool exists = device == Device::kRocm || (device == Device::kCuda && gate.on_cuda);
    if (exists || !state.On(gate.knob)) continue;
    state.Warn(gate.code, std::string(gate.message));
    state.Set(gate.knob, false, {std::string(gate.message), Reason::kPlatformCannot});
  }
}

void RotaryOp(State& state) {
  const std::string on = fmt::format("+{}", kRotary);
  for (const Knob knob : kNeedRotary) {
    if (!state.On(knob) || state.Lists(kCustomOps, on)) continue;
    state.Append(kCustomOps, on, fmt::format("asked for by {}", Def(knob).name));
  }
}

void CheckCustomOps(State& state) {
  const Names& ops = state.ListOf(kCustomOps);
  for (const std::string& item : ops) {
    if (IsBase(item) || IsSwitch(item)) continue;
    return state.Refuse("custom-op-syntax",
                        fmt::format("custom_ops: expected all, none, +OP or -OP, found '{}'; write "
                                    "+OP to run an op's hand-written kernel",
                                    item),
                        {kCustomOps});
  }
  if (std::ranges::count_if(ops, IsBase) > 1) {
    return state.Refuse("custom-op-two-bases",
                        fmt::format("custom_ops: expected one of all and none, found several in "
                                    "[{}]; keep one",
                                    fmt::join(ops, ", ")),
                        {kCustomOps});
  }
  for (const std::string& item : ops) {
    if (item[0] != '+') continue;
    const std::string name = item.substr(1);
    if (!state.Lists(kCustomOps, "-" + name)) continue;
    std::vector<Knob> knobs = {kCustomOps};
    for (const Knob knob : kNeedRotary) {
      if (name == kRotary && state.On(knob)) knobs.push_back(knob);
    }
    std::string from;
    for (size_t i = 1; i < knobs.size(); ++i) {
      from +=
          fmt::format("{}{}", from.empty() ? " (which vLLM adds for " : ", ", Def(knobs[i]).name);
    }
    if (!from.empty()) from += ")";
    return state.Refuse(
        "custom-op-contradiction",
        fmt::format("custom_ops: -{} contradicts +{}{}; drop one of them", name, name, from),
        std::move(knobs));
  }
}

}  // namespace rw::vllm
