#include "plan/options.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/json.h"
#include "plan/names.h"

namespace rw {
namespace {

// The JSON value as ParseValue would read it from a flag.
Result<std::string> AsText(const KnobDef& def, const Json& json) {
  if (auto text = json.ScalarText()) return *std::move(text);
  return json.Expected(def.summary);
}

Result<KnobValue> FromJson(const KnobDef& def, const Json& json) {
  const bool list = def.type == KnobType::kNames || def.type == KnobType::kSizes;
  if (!list || !json.is_array()) {
    if (def.type == KnobType::kNames) return json.Expected("an array of names");
    if (def.type == KnobType::kFlag && !json.is_bool()) return json.Expected("true or false");
    RW_ASSIGN(const std::string text, AsText(def, json));
    return ParseValue(def, text);
  }
  Names names;
  Sizes sizes;
  RW_TRY(json.ForEachElement([&](size_t, Json item) -> Status {
    if (def.type == KnobType::kNames) {
      RW_ASSIGN(const std::string_view name, item.AsString());
      names.emplace_back(name);
    } else {
      RW_ASSIGN(const int64_t size, item.AsInt());
      if (size < 1) return item.Expected("a whole number, 1 or more");
      sizes.push_back(size);
    }
    return {};
  }));
  return def.type == KnobType::kNames ? KnobValue(std::move(names)) : KnobValue(std::move(sizes));
}

Status ApplyObject(const Json& object, std::string_view prefix, Options& options) {
  return object.ForEachMember([&](std::string_view key, Json value) -> Status {
    if (value.is_null()) return {};
    if (prefix.empty() && key == "pass_config") return ApplyObject(value, "pass_config.", options);
    auto knob = FindKnob(fmt::format("{}{}", prefix, key));
    if (!knob) return Err("{}: {}", value.where(), knob.error().message);
    auto parsed = FromJson(Def(*knob), value);
    if (!parsed) return tl::unexpected(parsed.error());
    options.Set(*knob, *std::move(parsed));
    return {};
  });
}

Status CheckNames(const Options& options) {
  if (const auto* names = options.Get<Names>(Knob::kCustomOps)) RW_TRY(CheckCustomOpNames(*names));
  if (const auto* names = options.Get<Names>(Knob::kSplittingOps)) {
    RW_TRY(CheckSplittingOpNames(*names));
  }
  return {};
}

Status Append(const KnobDef& def, std::string_view text, Options& options) {
  if (def.type != KnobType::kNames && def.type != KnobType::kSizes) {
    return Err("{}: += appends to a list, and this knob is none", def.name);
  }
  RW_ASSIGN(KnobValue more, ParseValue(def, text));
  const KnobValue* before = options.Find(def.knob);
  if (before == nullptr) {
    options.Set(def.knob, std::move(more));
    return {};
  }
  KnobValue all = *before;
  if (auto* names = std::get_if<Names>(&all);
      names != nullptr && std::holds_alternative<Names>(more)) {
    const auto& items = std::get<Names>(more);
    names->insert(names->end(), items.begin(), items.end());
  } else if (auto* sizes = std::get_if<Sizes>(&all);
             sizes != nullptr && std::holds_alternative<Sizes>(more)) {
    const auto& items = std::get<Sizes>(more);
    sizes->insert(sizes->end(), items.begin(), items.end());
  } else {
    return Err("{}: {} cannot stand beside {}", def.name, text, ToString(def, *before));
  }
  options.Set(def.knob, std::move(all));
  return {};
}

Status ApplyEntry(std::string_view argument, size_t equals, Options& options) {
  const bool append = equals > 0 && argument[equals - 1] == '+';
  RW_ASSIGN(const Knob knob, FindKnob(argument.substr(0, equals - (append ? 1 : 0))));
  const std::string_view text = argument.substr(equals + 1);
  const KnobDef& def = Def(knob);
  if (append) return Append(def, text, options);
  RW_ASSIGN(KnobValue value, ParseValue(def, text));
  options.Set(knob, std::move(value));
  return {};
}

}  // namespace

Status ApplyCompilationConfigJson(std::string_view json, const std::string& name,
                                  Options& options) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Parse(json, name));
  return ApplyCompilationConfigJson(document.root(), options);
}

Status ApplyCompilationConfigJson(const Json& object, Options& options) {
  if (!object.is_object()) return object.Expected("an object");
  Options changed = options;
  RW_TRY(ApplyObject(object, "", changed));
  RW_TRY(CheckNames(changed));
  options = std::move(changed);
  return {};
}

Status ApplyCompilationConfig(std::string_view argument, Options& options) {
  if (argument.starts_with("{")) {
    return ApplyCompilationConfigJson(argument, "--compilation-config", options);
  }
  if (const size_t equals = argument.find('='); equals != std::string_view::npos) {
    Options changed = options;
    RW_TRY(ApplyEntry(argument, equals, changed));
    RW_TRY(CheckNames(changed));
    options = std::move(changed);
    return {};
  }
  const std::string path(argument);
  RW_ASSIGN(const std::string json, ReadFile(path));
  return ApplyCompilationConfigJson(json, path, options);
}

}  // namespace rw
