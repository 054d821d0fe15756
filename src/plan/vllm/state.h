// A configuration while it is resolved: for every knob the value so far, if any, and who set it.
// Rules read and write it in their order, as vLLM's __post_init__ does with its one object.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan/plan.h"

namespace rw::vllm {

// Why a rule sets a value: a sentence, the kind of reason, the decision it follows from.
struct Why {
  std::string detail;
  Reason reason = Reason::kVllmRule;
  std::optional<Knob> cause = {};
};

// One knob: its value (none is vLLM's None) and the ledger of who set it.
struct Slot {
  std::optional<KnobValue> value;
  Source source = Source::kFallback;
  Reason reason = Reason::kFallback;
  std::string detail;
  std::string evidence;
  std::optional<Knob> cause;
  std::vector<Rejected> others;
};

class State {
 public:
  State(const Facts& facts, const Options& options);

  const Facts& facts() const { return facts_; }
  const Options& options() const { return options_; }
  const Slot& slot(Knob knob) const { return slots_[static_cast<size_t>(knob)]; }

  bool Has(Knob knob) const { return slot(knob).value.has_value(); }
  // nullptr where the knob has no value yet, or one of another type.
  template <class T>
  const T* Find(Knob knob) const {
    const auto& value = slot(knob).value;
    return value ? std::get_if<T>(&*value) : nullptr;
  }
  bool On(Knob knob) const;  // None counts as off
  bool Is(Mode mode) const;  // so does a mode or cudagraph mode of None: it is nothing
  bool Is(CudagraphMode mode) const;
  CudagraphMode cudagraph_mode() const;
  // Entries so far; none yet is an empty list.
  const Names& ListOf(Knob knob) const;
  bool Lists(Knob knob, std::string_view item) const;
  // Whether a custom op runs its hand-written kernel, once the list has its base.
  bool CustomOpOn(std::string_view op) const;

  // A value that was there is kept in the ledger as overridden. The same value changes nothing.
  void Set(Knob knob, KnobValue value, Why why);
  void Set(Knob knob, Mode mode, Why why);
  void Set(Knob knob, CudagraphMode mode, Why why);
  // What the level gives to a knob that has no value.
  void SetFromLevel(Knob knob, KnobValue value, Why why);
  // A value that keeps all of what was there: nothing is overridden.
  void Extend(Knob knob, KnobValue value, std::string_view detail);
  void Append(Knob knob, std::string item, std::string_view detail);

  void Warn(std::string_view code, std::string message);
  // The first refusal stands, and no rule runs after it.
  void Refuse(std::string_view code, std::string message, std::vector<Knob> knobs);

  std::vector<Warning> warnings;
  std::optional<Refusal> refusal;
  std::string_view rule;     // the rule that runs now,
  std::string_view mirrors;  // and what of vLLM it mirrors
  // First provider of fused_add_rms_norm: vLLM's second list, for which Ropewalk has no knob.
  std::string add_norm_provider = "native";

 private:
  Slot& Edit(Knob knob) { return slots_[static_cast<size_t>(knob)]; }
  std::string Evidence() const;

  const Facts& facts_;
  const Options& options_;
  std::array<Slot, kNumKnobs> slots_;
};

// For choices: the value that stands for an enumerator.
inline KnobValue ValueOf(Mode mode) { return static_cast<int64_t>(mode); }
inline KnobValue ValueOf(CudagraphMode mode) { return static_cast<int64_t>(mode); }

bool HasPiecewise(CudagraphMode mode);  // some steps run as pieces
bool HasFull(CudagraphMode mode);       // some steps run as one graph

}  // namespace rw::vllm
