// What the user asked for: a value for some knobs, none for the others. Never changed by a rule.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "plan/knob.h"

namespace rw {

inline constexpr int kDefaultLevel = 2;

class Options {
 public:
  int level = kDefaultLevel;   // -O0 .. -O3
  bool enforce_eager = false;  // --enforce-eager: nothing compiled, nothing captured

  // The value that was asked for, nullptr if none was.
  const KnobValue* Find(Knob knob) const {
    const auto& value = values_[static_cast<size_t>(knob)];
    return value ? &*value : nullptr;
  }
  template <class T>
  const T* Get(Knob knob) const {
    const KnobValue* value = Find(knob);
    return value != nullptr ? std::get_if<T>(value) : nullptr;
  }
  bool Asked(Knob knob) const { return Find(knob) != nullptr; }
  void Set(Knob knob, KnobValue value) { values_[static_cast<size_t>(knob)] = std::move(value); }
  bool operator==(const Options&) const = default;

 private:
  std::array<std::optional<KnobValue>, kNumKnobs> values_;
};

// One argument of --compilation-config, or what follows -cc.: a JSON object, the path of a file
// that holds one, "KNOB=VALUE", or "KNOB+=ITEM" which appends to a list. A later argument wins over
// an earlier one. Names of custom ops and splitting ops must be known (names.h).
Status ApplyCompilationConfig(std::string_view argument, Options& options);

// JSON text of vLLM's shape: {"mode": ..., "custom_ops": [...], "pass_config": {...}}. null leaves
// a knob unset. `name` stands for the text in errors.
Status ApplyCompilationConfigJson(std::string_view json, const std::string& name, Options& options);
// The same for an object inside a document.
Status ApplyCompilationConfigJson(const Json& object, Options& options);

}  // namespace rw
