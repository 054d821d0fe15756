// str.format (declared in percent_format.h).
#include "model/chat_template/access.h"
#include "model/chat_template/number.h"
#include "model/chat_template/percent_format.h"
#include "model/chat_template/print.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

bool IsIndex(std::string_view text) {
  return !text.empty() && text.size() < 10 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, std::string_view format, const CallArguments& arguments,
                 bool escape)
      : runtime_(runtime), format_(format), arguments_(arguments), escape_(escape) {}

  Result<std::string> Run() {
    while (at_ < format_.size()) {
      const char c = format_[at_++];
      const bool doubled = at_ < format_.size() && format_[at_] == c;
      if ((c == '{' || c == '}') && doubled) {
        ++at_;
        RW_TRY(Add(std::string_view(&c, 1)));
      } else if (c == '{') {
        RW_TRY(Field());
      } else if (c == '}') {
        return Err("format(): a '}}' stands alone");
      } else {
        RW_TRY(Add(std::string_view(&c, 1)));
      }
    }
    return std::move(out_);
  }

 private:
  Status Add(std::string_view text) {
    RW_TRY(runtime_.meter().Work(text.size()));
    RW_TRY(charge_.Grow(&runtime_.meter(), text.size()));
    out_ += text;
    return {};
  }

  Status Field() {
    const size_t end = format_.find('}', at_);
    if (end == std::string_view::npos) return Err("format(): a '{{' is not closed");
    std::string_view field = format_.substr(at_, end - at_);
    at_ = end + 1;
    if (field.find(':') != std::string_view::npos) {
      return Err("format(): fields with a ':' are not supported");
    }
    const bool repr = field.ends_with("!r");
    if (repr || field.ends_with("!s")) field.remove_suffix(2);
    RW_ASSIGN(const Value value, Lookup(field));
    RW_ASSIGN(std::string text,
              repr ? Repr(runtime_.meter(), value) : Str(runtime_.meter(), value));
    const bool safe = value.is_string() && value.text().markup;
    return Add(escape_ && !safe ? EscapeHtml(text) : text);
  }

  // "name", "0" or nothing, then ".attribute" and "[key]" in any number.
  Result<Value> Lookup(std::string_view field) {
    const size_t name_end = std::min(field.find_first_of(".["), field.size());
    RW_ASSIGN(Value value, Argument(field.substr(0, name_end)));
    for (size_t at = name_end; at < field.size();) {
      const bool bracket = field[at] == '[';
      const size_t start = at + 1;
      size_t end = bracket ? field.find(']', start) : field.find_first_of(".[", start);
      if (bracket && end == std::string_view::npos) return Err("format(): a '[' is not closed");
      end = std::min(end, field.size());
      const std::string_view key = field.substr(start, end - start);
      if (bracket) {
        RW_ASSIGN(value, GetItem(runtime_, value, Key(key)));
      } else {
        RW_ASSIGN(value, GetAttribute(runtime_, value, key));
      }
      at = bracket ? end + 1 : end;
      if (bracket && at < field.size() && field[at] != '.' && field[at] != '[') {
        return Err("format(): only '.' or '[' may follow a ']'");
      }
    }
    return value;
  }

  static Value Key(std::string_view key) {
    if (!IsIndex(key)) return Value::String(std::string(key));
    return Value::Int(ParseInt(key, 10).value_or(0).value_or(0));
  }

  Result<Value> Argument(std::string_view name) {
    size_t index = 0;
    if (name.empty() || IsIndex(name)) {
      RW_ASSIGN(index, Index(name));
    } else {
      for (const auto& [key, value] : arguments_.keyword) {
        if (key == name) return value;
      }
      return Err("format(): there is no argument '{}'", name.substr(0, 60));
    }
    if (index >= arguments_.positional.size()) {
      return Err("format(): there is no argument {}", index);
    }
    return arguments_.positional[index];
  }

  // Fields are numbered by the format or in their order, never both in one format.
  Result<size_t> Index(std::string_view digits) {
    const bool numbered = !digits.empty();
    if (numbered ? next_ > 0 : numbered_) {
      return Err("format(): numbered fields and fields without a number do not mix");
    }
    numbered_ = numbered;
    if (!numbered) return next_++;
    return static_cast<size_t>(ParseInt(digits, 10).value_or(0).value_or(0));
  }

  Runtime& runtime_;
  std::string_view format_;
  const CallArguments& arguments_;
  bool escape_;
  size_t at_ = 0;
  size_t next_ = 0;        // of the fields without a number
  bool numbered_ = false;  // one with a number was seen
  std::string out_;
  Charge charge_;
};

}  // namespace

Result<std::string> BraceFormat(Runtime& runtime, std::string_view format,
                                const CallArguments& arguments, bool escape) {
  return BraceFormatter(runtime, format, arguments, escape).Run();
}

}  // namespace rw::jinja
