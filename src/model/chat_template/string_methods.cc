// Methods of strings.
#include <algorithm>

#include "model/chat_template/access.h"
#include "model/chat_template/builtins.h"
#include "model/chat_template/percent_format.h"
#include "model/chat_template/runtime.h"
#include "model/chat_template/text.h"
#include "model/chat_template/text_ops.h"

namespace rw::jinja {
namespace {

template <std::string (*map)(std::string_view)>
Result<Value> MapMethod(Runtime& runtime, const Value& self, const Arguments&) {
  RW_TRY(runtime.meter().Work(self.string().size()));
  RW_TRY(runtime.meter().Room(2 * self.string().size()));
  return Like(runtime, self, map(self.string()));
}

template <Side side>
Result<Value> StripMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_TRY(runtime.meter().Work(self.string().size()));
  if (!arguments.Given(0)) return Like(runtime, self, Strip(self.string(), side));
  RW_ASSIGN(const std::string_view chars, arguments.String(0, ""));
  RW_TRY(runtime.meter().Work(chars.size() * 16));
  RW_TRY(runtime.meter().Room(chars.size() * 48));  // the set that is built of them
  return Like(runtime, self, Strip(self.string(), side, chars));
}

template <bool right>
Result<Value> SplitMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Meter& meter = runtime.meter();
  const std::string& text = self.string();
  RW_ASSIGN(const int64_t limit, arguments.Int(1, -1));
  RW_TRY(meter.Work(2 * text.size()));
  if (!arguments.Given(0)) {
    RW_TRY(meter.Room(text.size() * sizeof(std::string_view) / 2));
    return PartsList(runtime, self, right ? SplitRight(text, limit) : Split(text, limit));
  }
  RW_ASSIGN(const std::string_view separator, arguments.String(0, ""));
  if (separator.empty()) return Err("split() at an empty separator");
  RW_TRY(meter.Work(separator.size()));
  RW_TRY(meter.Room(text.size() / separator.size() * sizeof(std::string_view)));
  return PartsList(runtime, self,
                   right ? SplitRight(text, separator, limit) : Split(text, separator, limit));
}

Result<Value> SplitLinesMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const bool keep_ends, arguments.Bool(0, false));
  RW_TRY(runtime.meter().Work(self.string().size()));
  RW_TRY(runtime.meter().Room(self.string().size() * sizeof(std::string_view)));
  return PartsList(runtime, self, SplitLines(self.string(), keep_ends));
}

template <bool last>
Result<Value> Partition(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const std::string_view text = self.string();
  RW_ASSIGN(const std::string_view separator, arguments.String(0, ""));
  if (separator.empty()) return Err("partition() at an empty separator");
  RW_TRY(runtime.meter().Work(2 * text.size() + separator.size()));
  RW_TRY(runtime.meter().Room(text.size()));
  const size_t at = last ? FindBytesLast(text, separator) : FindBytes(text, separator, 0);
  std::vector<std::string_view> parts = {text, "", ""};
  if (at != std::string_view::npos) {
    parts = {text.substr(0, at), text.substr(at, separator.size()),
             text.substr(at + separator.size())};
  } else if (last) {
    std::swap(parts[0], parts[2]);
  }
  RW_ASSIGN(const Value list, PartsList(runtime, self, parts));
  return NewSequence(runtime.meter(), SequenceKind::kTuple, list.sequence().items);
}

// startswith and endswith take one string or a tuple of them.
template <bool end>
Result<Value> HasAffix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const std::string& text = self.string();
  const bool tuple =
      arguments[0].is(Kind::kSequence) && arguments[0].sequence().kind == SequenceKind::kTuple;
  const std::vector<Value> one = {arguments[0]};
  for (const Value& affix : tuple ? arguments[0].sequence().items : one) {
    if (affix.is_undefined()) return Err("{}", affix.undefined_reason());
    if (!affix.is_string()) {
      return Err("{}() needs a string, found a '{}'", end ? "endswith" : "startswith",
                 affix.type_name());
    }
    RW_TRY(runtime.meter().Step());
    RW_TRY(runtime.meter().Work(std::min(text.size(), affix.string().size())));
    if (end ? text.ends_with(affix.string()) : text.starts_with(affix.string())) {
      return Value::Bool(true);
    }
  }
  return Value::Bool(false);
}

template <bool end>
Result<Value> RemoveAffix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  std::string_view text = self.string();
  RW_ASSIGN(const std::string_view affix, arguments.String(0, ""));
  RW_TRY(runtime.meter().Work(std::min(text.size(), affix.size())));
  if (end && text.ends_with(affix)) text.remove_suffix(affix.size());
  if (!end && text.starts_with(affix)) text.remove_prefix(affix.size());
  return Like(runtime, self, text);
}

Result<Value> ReplaceMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const std::string_view old, arguments.String(0, ""));
  RW_ASSIGN(const std::string_view plain, arguments.String(1, ""));
  RW_ASSIGN(const int64_t count, arguments.Int(2, -1));
  const bool escapes = self.text().markup && !arguments[1].text().markup;
  const std::string replacement = escapes ? EscapeHtml(plain) : std::string(plain);
  RW_ASSIGN(const std::string out,
            Replace(runtime.meter(), self.string(), old, replacement, count));
  return Like(runtime, self, out);
}

Result<Value> JoinMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const std::vector<Value> items, Items(runtime, arguments[0]));
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].is_string() || self.text().markup) continue;
    return Err("join() needs strings, found a '{}' as item {}", items[i].type_name(), i);
  }
  RW_ASSIGN(const std::string out,
            JoinTexts(runtime.meter(), self.string(), items, self.text().markup));
  return Like(runtime, self, out);
}

// The place of a substring in code points, -1 if there is none.
template <bool last, bool required>
Result<Value> Find(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const std::string_view text = self.string();
  RW_ASSIGN(const std::string_view sub, arguments.String(0, ""));
  RW_TRY(runtime.meter().Work(2 * (text.size() + sub.size())));
  RW_TRY(runtime.meter().Room(text.size()));
  const size_t at = last ? FindBytesLast(text, sub) : FindBytes(text, sub, 0);
  if (at != std::string_view::npos) {
    return Value::Int(static_cast<int64_t>(CountCodePoints(text.substr(0, at))));
  }
  if (required) return Err("index() found no such substring");
  return Value::Int(-1);
}

Result<Value> Count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const std::string_view text = self.string();
  RW_ASSIGN(const std::string_view sub, arguments.String(0, ""));
  RW_TRY(runtime.meter().Work(text.size() + sub.size()));
  if (sub.empty()) return Value::Int(static_cast<int64_t>(CountCodePoints(text)) + 1);
  int64_t count = 0;
  for (size_t at = FindBytes(text, sub, 0); at != std::string_view::npos;
       at = FindBytes(text, sub, at + sub.size())) {
    ++count;
  }
  RW_TRY(runtime.meter().Step(static_cast<uint64_t>(count)));
  return Value::Int(count);
}

Result<Value> FormatMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const std::string out,
            BraceFormat(runtime, self.string(), arguments.all, self.text().markup));
  return Like(runtime, self, out);
}

bool IsAsciiDigit(char32_t c) { return c >= '0' && c <= '9'; }
bool IsLetter(char32_t c) { return IsWordChar(c) && c != '_' && !IsNumeric(c); }
bool IsLetterOrDigit(char32_t c) { return IsWordChar(c) && c != '_'; }

template <bool (*test)(char32_t)>
Result<Value> All(Runtime& runtime, const Value& self, const Arguments&) {
  const std::string& text = self.string();
  RW_TRY(runtime.meter().Work(text.size()));
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (!test(c.value)) return Value::Bool(false);
    i += c.bytes;
  }
  return Value::Bool(!text.empty());
}

template <bool upper>
Result<Value> CaseIs(Runtime& runtime, const Value& self, const Arguments&) {
  return CallTest(runtime, upper ? "upper" : "lower", self, {}).map(Value::Bool);
}

constexpr Builtin kStringMethods[] = {
    {"capitalize", "", MapMethod<Capitalize>},
    {"count", "sub", Count},
    {"endswith", "suffix", HasAffix<true>},
    {"find", "sub", Find<false, false>},
    {"format", "*", FormatMethod},
    {"index", "sub", Find<false, true>},
    {"isalnum", "", All<IsLetterOrDigit>},
    {"isalpha", "", All<IsLetter>},
    {"isdecimal", "", All<IsAsciiDigit>},
    {"isdigit", "", All<IsAsciiDigit>},
    {"islower", "", CaseIs<false>},
    {"isnumeric", "", All<IsNumeric>},
    {"isspace", "", All<IsSpace>},
    {"isupper", "", CaseIs<true>},
    {"join", "iterable", JoinMethod},
    {"lower", "", MapMethod<Lower>},
    {"lstrip", "chars?", StripMethod<Side::kLeft>},
    {"partition", "sep", Partition<false>},
    {"removeprefix", "prefix", RemoveAffix<false>},
    {"removesuffix", "suffix", RemoveAffix<true>},
    {"replace", "old new count?", ReplaceMethod},
    {"rfind", "sub", Find<true, false>},
    {"rindex", "sub", Find<true, true>},
    {"rpartition", "sep", Partition<true>},
    {"rsplit", "sep? maxsplit?", SplitMethod<true>},
    {"rstrip", "chars?", StripMethod<Side::kRight>},
    {"split", "sep? maxsplit?", SplitMethod<false>},
    {"splitlines", "keepends?", SplitLinesMethod},
    {"startswith", "prefix", HasAffix<false>},
    {"strip", "chars?", StripMethod<Side::kBoth>},
    {"title", "", MapMethod<TitleCase>},
    {"upper", "", MapMethod<Upper>},
};

}  // namespace

std::span<const Builtin> StringMethods() { return kStringMethods; }

}  // namespace rw::jinja
