// Filters that make text of a value.
#include <algorithm>

#include "model/chat_template/builtins.h"
#include "model/chat_template/percent_format.h"
#include "model/chat_template/print.h"
#include "model/chat_template/runtime.h"
#include "model/chat_template/text.h"
#include "model/chat_template/text_ops.h"

namespace rw::jinja {
namespace {

// Most of these take str(value), and give markup for markup.
template <std::string (*map)(std::string_view)>
Result<Value> MapText(Runtime& runtime, const Value& self, const Arguments&) {
  RW_ASSIGN(const Value text, SoftStr(runtime.meter(), self));
  RW_TRY(runtime.meter().Work(text.string().size()));
  RW_TRY(runtime.meter().Room(2 * text.string().size()));
  return Like(runtime, text, map(text.string()));
}

bool SeparatesTitleWords(char32_t c) {
  constexpr std::string_view kMarks = "-({[<";
  return IsSpace(c) || (c < 0x80 && kMarks.find(static_cast<char>(c)) != std::string_view::npos);
}

// Jinja's title: a word starts at the front and after white space or any of "-({[<".
std::string JinjaTitle(std::string_view text) {
  std::string out;
  size_t word = 0;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (SeparatesTitleWords(c.value)) {
      out += Capitalize(text.substr(word, i - word));
      out += text.substr(i, c.bytes);
      word = i + c.bytes;
    }
    i += c.bytes;
  }
  return out + Capitalize(text.substr(word));
}

Result<Value> Trim(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const Value text, SoftStr(runtime.meter(), self));
  RW_TRY(runtime.meter().Work(text.string().size()));
  if (!arguments.Given(0)) return Like(runtime, text, Strip(text.string(), Side::kBoth));
  RW_ASSIGN(const std::string_view chars, arguments.String(0, ""));
  RW_TRY(runtime.meter().Work(chars.size() * 16));
  RW_TRY(runtime.meter().Room(chars.size() * 48));  // the set that is built of them
  return Like(runtime, text, Strip(text.string(), Side::kBoth, chars));
}

Result<Value> ReplaceFilter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Meter& meter = runtime.meter();
  RW_ASSIGN(const std::string text, Str(meter, self));
  RW_ASSIGN(const std::string old, Str(meter, arguments[0]));
  RW_ASSIGN(const std::string replacement, Str(meter, arguments[1]));
  RW_ASSIGN(const int64_t count, arguments.Given(2) ? arguments.Int(2, -1) : -1);
  RW_ASSIGN(std::string out, Replace(meter, text, old, replacement, count));
  return NewString(meter, std::move(out));
}

Result<Value> ToString(Runtime& runtime, const Value& self, const Arguments&) {
  return SoftStr(runtime.meter(), self);
}

Result<Value> Safe(Runtime& runtime, const Value& self, const Arguments&) {
  RW_ASSIGN(std::string text, Str(runtime.meter(), self));
  return NewString(runtime.meter(), std::move(text), /*markup=*/true);
}

Result<Value> Escape(Runtime& runtime, const Value& self, const Arguments&) {
  if (self.is_string() && self.text().markup) return self;
  RW_ASSIGN(const std::string text, Str(runtime.meter(), self));
  RW_TRY(runtime.meter().Room(5 * text.size()));
  return NewString(runtime.meter(), EscapeHtml(text), /*markup=*/true);
}

Result<Value> Indent(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (!self.is_string()) return Err("indent() needs a string, found a '{}'", self.type_name());
  std::string indent;
  if (arguments.Has(0) && arguments[0].is_string()) {
    indent = arguments[0].string();
  } else {
    RW_ASSIGN(const int64_t width, arguments.Int(0, 4));
    RW_TRY(runtime.meter().Room(static_cast<size_t>(std::max<int64_t>(width, 0))));
    indent.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  RW_ASSIGN(const bool first, arguments.Bool(1, false));
  RW_ASSIGN(const bool blank, arguments.Bool(2, false));
  // With a newline added, as Jinja does, a text that ends in one keeps it.
  const std::string text = self.string() + "\n";
  std::string out;
  Charge charge;
  bool at_first = true;
  for (const std::string_view line : SplitLines(text)) {
    RW_TRY(charge.Grow(&runtime.meter(), indent.size() + line.size() + 1));
    RW_TRY(runtime.meter().Work(indent.size() + line.size()));
    if (!at_first) out += '\n';
    if (at_first ? first : (blank || !line.empty())) out += indent;
    out += line;
    at_first = false;
  }
  return Like(runtime, self, out);
}

Result<Value> WordCount(Runtime& runtime, const Value& self, const Arguments&) {
  RW_ASSIGN(const std::string text, Str(runtime.meter(), self));
  int64_t count = 0;
  bool in_word = false;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    const bool word = IsWordChar(c.value);
    if (word && !in_word) ++count;
    in_word = word;
    i += c.bytes;
  }
  return Value::Int(count);
}

Result<Value> Format(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const CallArguments& given = arguments.all;
  if (!given.positional.empty() && !given.keyword.empty()) {
    return Err("format() takes values by position or by name, not both");
  }
  RW_ASSIGN(const Value text, SoftStr(runtime.meter(), self));
  Value values;
  if (given.keyword.empty()) {
    RW_ASSIGN(values, NewSequence(runtime.meter(), SequenceKind::kTuple, given.positional));
  } else {
    Dict dict;
    for (const auto& [name, value] : given.keyword) {
      RW_ASSIGN(Value key, NewString(runtime.meter(), name));
      RW_TRY(dict.Set(std::move(key), value, &runtime.meter()));
    }
    RW_ASSIGN(values, NewDict(runtime.meter(), std::move(dict)));
  }
  RW_ASSIGN(const std::string out,
            PercentFormat(runtime.meter(), text.string(), values, text.text().markup));
  return Like(runtime, text, out);
}

constexpr Builtin kTextFilters[] = {
    {"capitalize", "", MapText<Capitalize>},
    {"e", "", Escape},
    {"escape", "", Escape},
    {"format", "*", Format},
    {"indent", "width? first? blank?", Indent},
    {"lower", "", MapText<Lower>},
    {"replace", "old new count?", ReplaceFilter},
    {"safe", "", Safe},
    {"string", "", ToString},
    {"title", "", MapText<JinjaTitle>},
    {"trim", "chars?", Trim},
    {"upper", "", MapText<Upper>},
    {"wordcount", "", WordCount},
};

}  // namespace

std::span<const Builtin> TextFilters() { return kTextFilters; }

}  // namespace rw::jinja
