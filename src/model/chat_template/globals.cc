// The functions every template can call.
#include <algorithm>
#include <array>

#include "model/chat_template/access.h"
#include "model/chat_template/builtins.h"
#include "model/chat_template/print.h"
#include "model/chat_template/runtime.h"

namespace rw::jinja {
namespace {

constexpr int64_t kMaxRange = 100000;  // as Jinja's sandbox has it

Result<Value> Range(Runtime& runtime, const Value&, const Arguments& arguments) {
  RW_ASSIGN(const int64_t first, arguments.Int(0, 0));
  RW_ASSIGN(const int64_t second, arguments.Int(1, 0));
  RW_ASSIGN(const int64_t step, arguments.Int(2, 1));
  const int64_t start = arguments.Has(1) ? first : 0;
  const int64_t stop = arguments.Has(1) ? second : first;
  if (step == 0) return Err("the step of range() is zero");
  const bool forward = step > 0;
  std::vector<Value> items;
  for (int64_t i = start; forward ? i < stop : i > stop;) {
    if (items.size() == static_cast<size_t>(kMaxRange)) {
      return Err("range() of more than {} numbers is refused", kMaxRange);
    }
    items.push_back(Value::Int(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  RW_TRY(runtime.meter().Step(items.size() / 8));
  auto range = std::make_shared<Sequence>();
  RW_TRY(range->charge.Grow(&runtime.meter(), sizeof(Sequence) + items.size() * sizeof(Value)));
  range->kind = SequenceKind::kRange;
  range->items = std::move(items);
  range->label = step == 1 ? fmt::format("range({}, {})", start, stop)
                           : fmt::format("range({}, {}, {})", start, stop, step);
  return Value::Of(std::shared_ptr<const Sequence>(std::move(range)));
}

// dict(mapping or pairs, name=value, ...).
Result<Dict> BuildDict(Runtime& runtime, const CallArguments& given) {
  Meter& meter = runtime.meter();
  if (given.positional.size() > 1) return Err("dict() takes one argument without a name");
  Dict dict;
  if (!given.positional.empty() && given.positional[0].is(Kind::kDict)) {
    for (const Dict::Entry& entry : given.positional[0].dict().entries()) {
      RW_TRY(dict.Set(entry.key, entry.value, &meter));
    }
  } else if (!given.positional.empty()) {
    if (given.positional[0].is_undefined()) {
      return Err("{}", given.positional[0].undefined_reason());
    }
    RW_ASSIGN(const std::vector<Value> pairs, Items(runtime, given.positional[0]));
    for (const Value& pair : pairs) {
      RW_ASSIGN(const std::vector<Value> parts, Items(runtime, pair));
      if (parts.size() != 2) return Err("dict() needs pairs, found {} values", parts.size());
      RW_TRY(dict.Set(parts[0], parts[1], &meter));
    }
  }
  for (const auto& [name, value] : given.keyword) {
    RW_ASSIGN(Value key, NewString(meter, name));
    RW_TRY(dict.Set(std::move(key), value, &meter));
  }
  return dict;
}

Result<Value> MakeDict(Runtime& runtime, const Value&, const Arguments& arguments) {
  RW_ASSIGN(Dict dict, BuildDict(runtime, arguments.all));
  return NewDict(runtime.meter(), std::move(dict));
}

Result<Value> MakeNamespace(Runtime& runtime, const Value&, const Arguments& arguments) {
  RW_ASSIGN(const Dict dict, BuildDict(runtime, arguments.all));
  RW_ASSIGN(std::shared_ptr<Namespace> space, runtime.NewNamespace());
  for (const Dict::Entry& entry : dict.entries()) {
    if (!entry.key.is_string()) return Err("the names of namespace() must be strings");
    RW_TRY(SetAttribute(runtime, *space, entry.key.string(), entry.value));
  }
  return Value::Of(std::move(space));
}

Result<Value> RaiseException(Runtime& runtime, const Value&, const Arguments& arguments) {
  RW_ASSIGN(const std::string message, Str(runtime.meter(), arguments[0]));
  return Err("the template refuses this chat: {}", message);
}

// Time is the caller's; only the directives that depend on nothing else are let through.
Result<Value> StrftimeNow(Runtime& runtime, const Value&, const Arguments& arguments) {
  RW_ASSIGN(const std::string_view format, arguments.String(0, ""));
  RW_TRY(runtime.meter().Work(format.size()));
  RW_TRY(runtime.meter().Room(16 * format.size()));
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    std::string directive = "%";
    if (i + 1 < format.size() && format[i + 1] == '-') directive += format[++i];
    const char letter = i + 1 < format.size() ? format[++i] : '\0';
    if (letter == '\0' ||
        std::string_view("aAbBdeHIjmMpSuwyY%").find(letter) == std::string::npos) {
      return Err("strftime_now() does not know the directive '{}{}'", directive,
                 letter == '\0' ? std::string() : std::string(1, letter));
    }
    directive += letter;
    std::array<char, 64> text{};
    const size_t size = std::strftime(text.data(), text.size(), directive.c_str(), &runtime.now());
    out.append(text.data(), size);
  }
  return NewString(runtime.meter(), std::move(out));
}

constexpr Builtin kGlobals[] = {
    {"dict", "*", MakeDict},
    {"namespace", "*", MakeNamespace},
    {"raise_exception", "message", RaiseException},
    {"range", "start stop? step?", Range},
    {"strftime_now", "format", StrftimeNow},
};

}  // namespace

std::span<const Builtin> Globals() { return kGlobals; }

}  // namespace rw::jinja
