#include "plan/vllm/state.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace rw::vllm {

State::State(const Facts& facts, const Options& options) : facts_(facts), options_(options) {
  for (const KnobDef& def : Knobs()) {
    const KnobValue* asked = options.Find(def.knob);
    if (asked == nullptr) continue;
    Slot& slot = Edit(def.knob);
    slot.value = *asked;
    slot.source = Source::kUser;
    slot.reason = Reason::kUserAsked;
  }
}

bool State::On(Knob knob) const {
  const bool* flag = Find<bool>(knob);
  return flag != nullptr && *flag;
}

bool State::Is(Mode mode) const {
  const auto* value = Find<int64_t>(Knob::kMode);
  return value != nullptr && *value == static_cast<int64_t>(mode);
}

bool State::Is(CudagraphMode mode) const {
  const auto* value = Find<int64_t>(Knob::kCudagraphMode);
  return value != nullptr && *value == static_cast<int64_t>(mode);
}

CudagraphMode State::cudagraph_mode() const {
  const auto* value = Find<int64_t>(Knob::kCudagraphMode);
  RW_CHECK(value != nullptr, "cudagraph_mode is read before it is decided");
  return static_cast<CudagraphMode>(*value);
}

const Names& State::ListOf(Knob knob) const {
  static const Names kNone;
  const auto* names = Find<Names>(knob);
  return names != nullptr ? *names : kNone;
}

bool State::Lists(Knob knob, std::string_view item) const {
  return std::ranges::find(ListOf(knob), item) != ListOf(knob).end();
}

bool State::CustomOpOn(std::string_view op) const {
  const bool all = Lists(Knob::kCustomOps, "all");
  const bool named = Lists(Knob::kCustomOps, fmt::format("{}{}", all ? '-' : '+', op));
  return all != named;
}

std::string State::Evidence() const { return fmt::format("rule {} ({})", rule, mirrors); }

void State::Set(Knob knob, KnobValue value, Why why) {
  Slot& slot = Edit(knob);
  if (slot.value == value) return;
  if (slot.value) {
    slot.others.push_back({*std::move(slot.value), slot.source, why.reason, why.detail});
    slot.source = Source::kLegality;
  }
  slot.value = std::move(value);
  slot.reason = why.reason;
  slot.detail = std::move(why.detail);
  slot.cause = why.cause;
  slot.evidence = Evidence();
}

void State::Set(Knob knob, Mode mode, Why why) { Set(knob, ValueOf(mode), std::move(why)); }

void State::Set(Knob knob, CudagraphMode mode, Why why) {
  Set(knob, ValueOf(mode), std::move(why));
}

void State::SetFromLevel(Knob knob, KnobValue value, Why why) {
  RW_CHECK(!Has(knob), "the level fills {} twice", Def(knob).name);
  Set(knob, std::move(value), std::move(why));
  Edit(knob).source = Source::kLevel;
}

void State::Extend(Knob knob, KnobValue value, std::string_view detail) {
  Slot& slot = Edit(knob);
  if (!slot.value) slot.reason = Reason::kVllmRule;
  slot.value = std::move(value);
  slot.detail += slot.detail.empty() ? "" : "; ";
  slot.detail += detail;
  slot.evidence = Evidence();
}

void State::Append(Knob knob, std::string item, std::string_view detail) {
  Names names = ListOf(knob);
  const std::string why = fmt::format("{}: {}", item, detail);
  names.push_back(std::move(item));
  Extend(knob, std::move(names), why);
}

void State::Warn(std::string_view code, std::string message) {
  warnings.push_back({std::string(code), std::move(message)});
}

void State::Refuse(std::string_view code, std::string message, std::vector<Knob> knobs) {
  if (!refusal) refusal = Refusal{std::string(code), std::move(message), std::move(knobs)};
}

bool HasPiecewise(CudagraphMode mode) {
  return mode == CudagraphMode::kPiecewise || mode == CudagraphMode::kFullAndPiecewise;
}

bool HasFull(CudagraphMode mode) {
  return mode != CudagraphMode::kNone && mode != CudagraphMode::kPiecewise;
}

}  // namespace rw::vllm
