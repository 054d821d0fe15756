#include "model/chat_template/print.h"

#include <fmt/format.h>

#include "model/chat_template/number.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

constexpr int kMaxPrintDepth = 2 * kMaxValueDepth;  // namespaces may hold themselves

void AppendEscaped(std::string& out, char32_t c) {
  if (c < 0x100) {
    out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
  } else if (c < 0x10000) {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  } else {
    out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
  }
}

void AppendQuoted(std::string& out, std::string_view text) {
  const bool single = text.find('\'') == std::string_view::npos;
  const char quote = single || text.find('"') != std::string_view::npos ? '\'' : '"';
  out += quote;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (c.value == static_cast<char32_t>(quote) || c.value == '\\') {
      out += '\\';
      out += text[i];
    } else if (c.value == '\n') {
      out += "\\n";
    } else if (c.value == '\r') {
      out += "\\r";
    } else if (c.value == '\t') {
      out += "\\t";
    } else if (IsPrintable(c.value)) {
      out += text.substr(i, c.bytes);
    } else {
      AppendEscaped(out, c.value);
    }
    i += c.bytes;
  }
  out += quote;
}

// Appends representations to one string, whose growth is counted as it happens.
class Printer {
 public:
  explicit Printer(Meter& meter) : meter_(meter) {}

  Status Append(const Value& value) {
    if (++depth_ > kMaxPrintDepth) return Err("a value that holds itself cannot be printed");
    const size_t before = out_.size();
    RW_TRY(meter_.Step());
    RW_TRY(Dispatch(value));
    --depth_;
    // What the parts of a container added was counted with them.
    if (!value.is(Kind::kSequence) && !value.is(Kind::kDict)) {
      RW_TRY(charge_.Grow(&meter_, out_.size() - before));
      RW_TRY(meter_.Work(out_.size() - before));
    }
    return {};
  }

  std::string Take() { return std::move(out_); }

 private:
  Status Dispatch(const Value& value) {
    switch (value.kind()) {
      case Kind::kUndefined:
        out_ += "Undefined";
        return {};
      case Kind::kNone:
        out_ += "None";
        return {};
      case Kind::kBool:
        out_ += value.boolean() ? "True" : "False";
        return {};
      case Kind::kInt:
        out_ += fmt::format("{}", value.integer());
        return {};
      case Kind::kFloat:
        out_ += FloatRepr(value.number());
        return {};
      case Kind::kString:
        return AppendString(value.text());
      case Kind::kSequence:
        return AppendSequence(value.sequence());
      case Kind::kDict:
        return AppendDict(value.dict());
      case Kind::kNamespace:
        return AppendNamespace(value.name_space());
      case Kind::kCallable:
        out_ += "<function>";
        return {};
      case Kind::kLoop:
        out_ +=
            fmt::format("<LoopContext {}/{}>", value.loop().index + 1, value.loop().items.size());
        return {};
    }
    return {};
  }

  Status AppendString(const Text& text) {
    RW_TRY(meter_.Room(text.bytes.size()));
    if (text.markup) out_ += "Markup(";
    AppendQuoted(out_, text.bytes);
    if (text.markup) out_ += ')';
    return {};
  }

  Status AppendSequence(const Sequence& sequence) {
    switch (sequence.kind) {
      case SequenceKind::kRange:
      case SequenceKind::kGenerator:
        out_ += sequence.label;
        return {};
      case SequenceKind::kTuple:
        RW_TRY(AppendItems("(", sequence.items));
        out_ += sequence.items.size() == 1 ? ",)" : ")";
        return {};
      case SequenceKind::kList:
        RW_TRY(AppendItems("[", sequence.items));
        out_ += ']';
        return {};
      case SequenceKind::kKeys:
      case SequenceKind::kValues:
      case SequenceKind::kItems:
        break;
    }
    const char* name = sequence.kind == SequenceKind::kKeys     ? "dict_keys(["
                       : sequence.kind == SequenceKind::kValues ? "dict_values(["
                                                                : "dict_items([";
    RW_TRY(AppendItems(name, sequence.items));
    out_ += "])";
    return {};
  }

  Status AppendItems(std::string_view open, const std::vector<Value>& items) {
    out_ += open;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += ", ";
      RW_TRY(Append(items[i]));
    }
    return {};
  }

  Status AppendDict(const Dict& dict) {
    out_ += '{';
    bool first = true;
    for (const Dict::Entry& entry : dict.entries()) {
      if (!first) out_ += ", ";
      first = false;
      RW_TRY(Append(entry.key));
      out_ += ": ";
      RW_TRY(Append(entry.value));
    }
    out_ += '}';
    return {};
  }

  Status AppendNamespace(const Namespace& space) {
    out_ += "<Namespace {";
    bool first = true;
    for (const auto& [name, value] : space.attributes) {
      if (!first) out_ += ", ";
      first = false;
      AppendQuoted(out_, name);
      out_ += ": ";
      RW_TRY(Append(value));
    }
    out_ += "}>";
    return {};
  }

  Meter& meter_;
  std::string out_;
  Charge charge_;
  int depth_ = 0;
};

}  // namespace

bool Truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.number() != 0;
    case Kind::kString:
      return !value.string().empty();
    case Kind::kSequence:
      return value.sequence().kind == SequenceKind::kGenerator || !value.sequence().items.empty();
    case Kind::kDict:
      return !value.dict().entries().empty();
    case Kind::kNamespace:
    case Kind::kCallable:
    case Kind::kLoop:
      return true;
  }
  return true;
}

Result<std::string> Str(Meter& meter, const Value& value) {
  if (value.is_undefined()) return std::string();
  if (value.is_string()) {
    RW_TRY(meter.Work(value.string().size()));
    RW_TRY(meter.Room(value.string().size()));
    return value.string();
  }
  return Repr(meter, value);
}

Result<Value> SoftStr(Meter& meter, const Value& value) {
  if (value.is_string()) return value;
  RW_ASSIGN(std::string text, Str(meter, value));
  return NewString(meter, std::move(text));
}

Result<std::string> Repr(Meter& meter, const Value& value) {
  Printer printer(meter);
  RW_TRY(printer.Append(value));
  return printer.Take();
}

}  // namespace rw::jinja
