#include "model/chat_template/percent_format.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "model/chat_template/number.h"
#include "model/chat_template/print.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

constexpr int kMaxWidth = 1000;  // of one field; more is no text for a model

struct Field {
  bool left = false;
  bool zeros = false;
  bool plus = false;
  bool space = false;
  int width = 0;
  int precision = -1;
  char type = 's';
};

class Formatter {
 public:
  Formatter(Meter& meter, std::string_view format, const Value& values, bool escape)
      : meter_(meter), format_(format), values_(values), escape_(escape) {
    tuple_ = values.is(Kind::kSequence) && values.sequence().kind == SequenceKind::kTuple;
  }

  Result<std::string> Run() {
    RW_TRY(meter_.Work(format_.size()));
    while (at_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      RW_TRY(Add(format_.substr(at_, percent - at_)));
      at_ = percent + 1;
      if (percent < format_.size()) RW_TRY(Convert());
    }
    const bool mapping = values_.is_undefined() || values_.is(Kind::kDict) ||
                         (values_.is(Kind::kSequence) && !tuple_);
    const size_t count = tuple_ ? values_.sequence().items.size() : 1;
    if (!mapping && used_ < count) return Err("'%': not all values were used");
    return std::move(out_);
  }

 private:
  Status Add(std::string_view text) {
    RW_TRY(meter_.Work(text.size()));
    RW_TRY(charge_.Grow(&meter_, text.size()));
    out_ += text;
    return {};
  }

  Status Convert() {
    Value value;
    bool has_value = false;
    if (at_ < format_.size() && format_[at_] == '(') {
      RW_ASSIGN(value, Named());
      has_value = true;
    }
    RW_ASSIGN(const Field field, ReadField());
    if (field.type == '%') return Add("%");
    if (!has_value) {
      RW_ASSIGN(value, NextValue());
    }
    RW_ASSIGN(std::string text, Render(field, value));
    const bool number = std::string_view("diufFeEgGxXo").find(field.type) != std::string_view::npos;
    Pad(field, number, text);
    return Add(escape_ && !number ? EscapeHtml(text) : text);
  }

  Result<Value> Named() {
    const size_t end = format_.find(')', at_);
    if (end == std::string_view::npos) return Err("'%': a name in a format is not closed");
    const std::string_view name = format_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    if (!values_.is(Kind::kDict)) return Err("'%': a format with names needs a dict");
    const Value* found = values_.dict().Find(name);
    if (found == nullptr) return Err("'%': there is no value '{}'", name.substr(0, 60));
    return *found;
  }

  Result<Value> NextValue() {
    const size_t index = used_++;
    if (tuple_ && index < values_.sequence().items.size()) return values_.sequence().items[index];
    if (!tuple_ && index == 0) return values_;
    return Err("'%': there are fewer values than the format has fields");
  }

  Result<int> ReadNumber() {
    int number = 0;
    for (; at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9'; ++at_) {
      number = number * 10 + (format_[at_] - '0');
      if (number > kMaxWidth) return Err("'%': a field wider than {} is refused", kMaxWidth);
    }
    return number;
  }

  Result<Field> ReadField() {
    Field field;
    for (; at_ < format_.size(); ++at_) {
      const char c = format_[at_];
      if (c == '-') field.left = true;
      if (c == '0') field.zeros = true;
      if (c == '+') field.plus = true;
      if (c == ' ') field.space = true;
      if (std::string_view("-0+ ").find(c) == std::string_view::npos) break;
    }
    RW_ASSIGN(field.width, ReadNumber());
    if (at_ < format_.size() && format_[at_] == '.') {
      ++at_;
      RW_ASSIGN(field.precision, ReadNumber());
    }
    if (at_ >= format_.size()) return Err("'%': a format ends within a field");
    field.type = format_[at_++];
    if (std::string_view("diufFeEgGxXosrc%").find(field.type) == std::string_view::npos) {
      return Err("'%': the field type '{}' is not supported", field.type);
    }
    return field;
  }

  Result<std::string> Render(const Field& field, const Value& value) {
    switch (field.type) {
      case 's':
      case 'r': {
        RW_ASSIGN(std::string text, field.type == 's' ? Str(meter_, value) : Repr(meter_, value));
        if (field.precision < 0) return text;
        size_t end = 0;
        for (int i = 0; i < field.precision && end < text.size(); ++i)
          end += Decode(text, end).bytes;
        return text.substr(0, end);
      }
      case 'c': {
        std::string text;
        if (value.is_string() && CountCodePoints(value.string()) == 1) return value.string();
        if (!value.is(Kind::kInt) || value.integer() < 0 || value.integer() >= 0x110000 ||
            (value.integer() >= 0xD800 && value.integer() < 0xE000)) {
          return Err("'%c' needs a character");
        }
        AppendUtf8(text, static_cast<char32_t>(value.integer()));
        return text;
      }
      default:
        return RenderNumber(field, value);
    }
  }

  Result<std::string> RenderNumber(const Field& field, const Value& value) {
    const std::string_view floats = "fFeEgG";
    if (!value.is_number())
      return Err("'%{}' needs a number, found a '{}'", field.type, value.type_name());
    std::string text;
    if (floats.find(field.type) != std::string_view::npos) {
      const std::string format = {'%', '.', '*', field.type, '\0'};
      const int precision = field.precision < 0 ? 6 : field.precision;
      const int size = std::snprintf(nullptr, 0, format.c_str(), precision, value.number());
      text.resize(static_cast<size_t>(size));
      std::snprintf(text.data(), text.size() + 1, format.c_str(), precision, value.number());
    } else {
      const bool decimal = std::string_view("diu").find(field.type) != std::string_view::npos;
      if (!decimal && !value.is_integral()) return Err("'%{}' needs an integer", field.type);
      RW_ASSIGN(const int64_t number,
                value.is_integral() ? Result<int64_t>(value.integer()) : Truncate(value.number()));
      const uint64_t magnitude =
          number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
      std::string digits = decimal             ? fmt::format("{}", magnitude)
                           : field.type == 'o' ? fmt::format("{:o}", magnitude)
                           : field.type == 'x' ? fmt::format("{:x}", magnitude)
                                               : fmt::format("{:X}", magnitude);
      const auto wanted = static_cast<size_t>(std::max(field.precision, 0));
      if (digits.size() < wanted) digits.insert(0, wanted - digits.size(), '0');
      text = (number < 0 ? "-" : "") + digits;
    }
    if (text[0] != '-' && field.plus) text.insert(0, 1, '+');
    if (text[0] != '-' && !field.plus && field.space) text.insert(0, 1, ' ');
    return text;
  }

  static void Pad(const Field& field, bool number, std::string& text) {
    const size_t length = CountCodePoints(text);
    const auto width = static_cast<size_t>(field.width);
    if (length >= width) return;
    if (field.left) {
      text.append(width - length, ' ');
    } else if (field.zeros && number) {
      const bool has_sign = text[0] == '-' || text[0] == '+' || text[0] == ' ';
      text.insert(has_sign ? 1 : 0, width - length, '0');
    } else {
      text.insert(0, width - length, ' ');
    }
  }

  Meter& meter_;
  std::string_view format_;
  const Value& values_;
  bool escape_;
  bool tuple_ = false;
  size_t at_ = 0;
  size_t used_ = 0;
  std::string out_;
  Charge charge_;
};

}  // namespace

Result<std::string> PercentFormat(Meter& meter, std::string_view format, const Value& values,
                                  bool escape) {
  return Formatter(meter, format, values, escape).Run();
}

}  // namespace rw::jinja
