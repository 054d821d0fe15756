#include "model/chat_template/tojson.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/chat_template/compare.h"
#include "model/chat_template/number.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

std::string JsonFloat(double x) {
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return x < 0 ? "-Infinity" : "Infinity";
  return FloatRepr(x);
}

void AppendUnicodeEscape(std::string& out, char32_t c) {
  if (c >= 0x10000) {
    const uint32_t rest = static_cast<uint32_t>(c) - 0x10000;
    out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
  } else {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  }
}

void AppendJsonString(std::string& out, std::string_view text, bool ensure_ascii) {
  constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
  constexpr std::string_view kShortNames = "\"\\bfnrt";
  out += '"';
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    const size_t named = c.value < 0x80 ? kShort.find(text[i]) : std::string_view::npos;
    if (named != std::string_view::npos) {
      out += '\\';
      out += kShortNames[named];
    } else if (c.value < 0x20 || (ensure_ascii && c.value >= 0x7F)) {
      AppendUnicodeEscape(out, c.value);
    } else {
      out += text.substr(i, c.bytes);
    }
    i += c.bytes;
  }
  out += '"';
}

class Writer {
 public:
  Writer(Meter& meter, const JsonStyle& style) : meter_(meter), style_(style) {}

  Status Write(const Value& value) {
    RW_TRY(meter_.Step());
    switch (value.kind()) {
      case Kind::kNone:
        return Add("null");
      case Kind::kBool:
        return Add(value.boolean() ? "true" : "false");
      case Kind::kInt:
        return Add(fmt::format("{}", value.integer()));
      case Kind::kFloat:
        return Add(JsonFloat(value.number()));
      case Kind::kString:
        return WriteString(value.string());
      case Kind::kSequence: {
        const SequenceKind kind = value.sequence().kind;
        if (kind == SequenceKind::kList || kind == SequenceKind::kTuple) {
          return WriteList(value.sequence().items);
        }
        break;
      }
      case Kind::kDict:
        return WriteDict(value.dict());
      default:
        break;
    }
    return Err("tojson: a '{}' has no JSON form{}", value.type_name(),
               value.is_undefined() ? ": " + value.undefined_reason() : std::string());
  }

  std::string Take() { return std::move(out_); }

 private:
  Status Add(std::string_view text) {
    RW_TRY(meter_.Work(text.size()));
    RW_TRY(charge_.Grow(&meter_, text.size()));
    out_ += text;
    return {};
  }

  Status WriteString(std::string_view text) {
    RW_TRY(meter_.Work(text.size()));
    RW_TRY(meter_.Room(text.size()));
    const size_t before = out_.size();
    AppendJsonString(out_, text, style_.ensure_ascii);
    return charge_.Grow(&meter_, out_.size() - before);
  }

  Status NewLine() {
    if (!style_.indent) return {};
    RW_TRY(Add("\n"));
    for (int i = 0; i < level_; ++i) RW_TRY(Add(*style_.indent));
    return {};
  }

  Status WriteList(const std::vector<Value>& items) {
    if (items.empty()) return Add("[]");
    RW_TRY(Add("["));
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) RW_TRY(Add(style_.item_separator));
      RW_TRY(NewLine());
      RW_TRY(Write(items[i]));
    }
    --level_;
    RW_TRY(NewLine());
    return Add("]");
  }

  Status WriteDict(const Dict& dict) {
    if (dict.entries().empty()) return Add("{}");
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys) RW_TRY(SortByKey(entries));
    RW_TRY(Add("{"));
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) RW_TRY(Add(style_.item_separator));
      RW_TRY(NewLine());
      RW_TRY(WriteKey(entries[i]->key));
      RW_TRY(Add(style_.key_separator));
      RW_TRY(Write(entries[i]->value));
    }
    --level_;
    RW_TRY(NewLine());
    return Add("}");
  }

  Status WriteKey(const Value& key) {
    switch (key.kind()) {
      case Kind::kString:
        return WriteString(key.string());
      case Kind::kNone:
        return Add("\"null\"");
      case Kind::kBool:
        return Add(key.boolean() ? "\"true\"" : "\"false\"");
      case Kind::kInt:
        return Add(fmt::format("\"{}\"", key.integer()));
      case Kind::kFloat:
        return Add('"' + JsonFloat(key.number()) + '"');
      default:
        return Err("tojson: a '{}' cannot be a key in JSON", key.type_name());
    }
  }

  Status SortByKey(std::vector<const Dict::Entry*>& entries) {
    Status status;
    std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
      if (!status) return false;
      const Result<bool> less = Less(a->key, b->key, &meter_);
      if (!less) status = tl::unexpected<Error>(less.error());
      return less.value_or(false);
    });
    return status;
  }

  Meter& meter_;
  const JsonStyle& style_;
  std::string out_;
  Charge charge_;
  int level_ = 0;
};

}  // namespace

Result<std::string> ToJson(Meter& meter, const Value& value, const JsonStyle& style) {
  Writer writer(meter, style);
  RW_TRY(writer.Write(value));
  return writer.Take();
}

}  // namespace rw::jinja
