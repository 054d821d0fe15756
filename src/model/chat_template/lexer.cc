#include "model/chat_template/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "model/chat_template/number.h"
#include "model/chat_template/string_literal.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

constexpr std::string_view kSpecial = "%{#";

// "\r\n" and "\r" become "\n"; one newline at the end is dropped.
std::string NormalizeNewlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool IsSign(char c) { return c == '-' || c == '+'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(NormalizeNewlines(source)) {}

  Result<std::vector<Token>> Run() {
    while (at_ < source_.size()) RW_TRY(LexText());
    Push(TokenKind::kEnd, {});
    return std::move(tokens_);
  }

  int line() const { return line_; }

 private:
  // ---- Text and tags.

  // The text up to the next tag, then that tag.
  Status LexText() {
    const size_t tag = FindTag(at_);
    if (tag == std::string::npos) {
      AddText(source_.substr(at_));
      return {};
    }
    const char kind = source_[tag + 1];
    const size_t raw = kind == '%' ? RawTagEnd(tag) : std::string::npos;
    const char sign = SignAt(tag + 2);
    AddTextBefore(tag, sign, /*strips_line=*/kind != '{');
    if (raw != std::string::npos) {
      MoveTo(raw);
      return LexRaw();
    }
    MoveTo(tag + 2 + (sign != 0 ? 1 : 0));
    if (kind == '#') return SkipComment();
    Push(kind == '%' ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, {});
    return LexTag(kind == '%');
  }

  size_t FindTag(size_t from) const {
    for (size_t i = source_.find('{', from); i != std::string::npos && i + 1 < source_.size();
         i = source_.find('{', i + 1)) {
      if (kSpecial.find(source_[i + 1]) != std::string_view::npos) return i;
    }
    return std::string::npos;
  }

  char SignAt(size_t at) const {
    return at < source_.size() && IsSign(source_[at]) ? source_[at] : '\0';
  }

  bool LookingAt(size_t at, std::string_view text) const {
    return source_.compare(at, text.size(), text) == 0;
  }

  size_t SkipSpaces(size_t at) const {
    const std::string_view rest = std::string_view(source_).substr(at);
    return at + (rest.size() - Strip(rest, Side::kLeft).size());
  }

  // Where the text after "{% raw %}" starts, if that is what stands at `tag`.
  size_t RawTagEnd(size_t tag) const {
    size_t at = tag + 2;
    if (SignAt(at) != 0) ++at;
    at = SkipSpaces(at);
    if (!LookingAt(at, "raw")) return std::string::npos;
    at = SkipSpaces(at + 3);
    if (LookingAt(at, "%}")) return at + 2;
    if (LookingAt(at, "-%}")) return SkipSpaces(at + 3);
    return std::string::npos;
  }

  // Text before a tag at `end`: "-" strips the white space before the tag; without a "+", a tag
  // that is alone at the start of its line takes that line's indentation with it.
  void AddTextBefore(size_t end, char sign, bool strips_line) {
    std::string_view text = std::string_view(source_).substr(at_, end - at_);
    if (sign == '-') {
      text = Strip(text, Side::kRight);
    } else if (sign == '\0' && strips_line) {
      const size_t newline = text.rfind('\n');
      const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
      const bool line_starts = start > 0 || line_starting_;
      if (line_starts && Strip(text.substr(start), Side::kLeft).empty()) {
        text = text.substr(0, start);
      }
    }
    AddText(text);
    MoveTo(end);
  }

  void AddText(std::string_view text) {
    if (!text.empty()) Push(TokenKind::kText, std::string(text));
    MoveTo(at_ + text.size());
  }

  Status SkipComment() {
    size_t end = source_.find("#}", at_);
    if (end == std::string::npos) return Err("a comment '{{#' is not closed");
    const bool has_sign = end > at_ && IsSign(source_[end - 1]);
    MoveTo(AfterTagEnd(end + 2, has_sign ? source_[end - 1] : '\0', /*trims_newline=*/true));
    return {};
  }

  // The place behind a tag's end and what the tag's end takes with it.
  size_t AfterTagEnd(size_t at, char sign, bool trims_newline) const {
    if (sign == '-') return SkipSpaces(at);
    if (sign == '\0' && trims_newline && at < source_.size() && source_[at] == '\n') return at + 1;
    return at;
  }

  // The text from here to "{% endraw %}", whatever it holds.
  Status LexRaw() {
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos;
         tag = source_.find("{%", tag + 1)) {
      const char sign = SignAt(tag + 2);
      size_t at = SkipSpaces(tag + 2 + (sign != 0 ? 1 : 0));
      if (!LookingAt(at, "endraw")) continue;
      at = SkipSpaces(at + 6);
      const char end_sign = SignAt(at);
      if (end_sign != 0) ++at;
      if (!LookingAt(at, "%}")) continue;
      AddTextBefore(tag, sign, /*strips_line=*/true);
      MoveTo(AfterTagEnd(at + 2, end_sign, /*trims_newline=*/true));
      return {};
    }
    return Err("'{{% raw %}}' is not closed");
  }

  // ---- Inside a tag.

  // Tokens up to the end of a "{%" or "{{" tag. Inside brackets an end mark is none.
  Status LexTag(bool block) {
    const std::string_view mark = block ? "%}" : "}}";
    brackets_.clear();
    while (true) {
      MoveTo(SkipSpaces(at_));
      if (at_ >= source_.size()) {
        return Err("a tag '{}' is not closed", block ? "{%" : "{{");
      }
      if (brackets_.empty()) {
        const char sign = SignAt(at_);
        const bool sign_ends = sign == '-' || (sign == '+' && block);
        if (LookingAt(at_, mark) || (sign_ends && LookingAt(at_ + 1, mark))) {
          const size_t behind = at_ + (sign_ends ? 3 : 2);
          Push(block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, {});
          MoveTo(AfterTagEnd(behind, sign_ends ? sign : '\0', block));
          return {};
        }
      }
      RW_TRY(LexToken());
    }
  }

  Status LexToken() {
    const char c = source_[at_];
    if (c >= '0' && c <= '9') return LexNumber();
    if (c == '"' || c == '\'') return LexString(c);
    const CodePoint first = Decode(source_, at_);
    if (IsWordChar(first.value)) return LexName();
    return LexOperator(first);
  }

  Status LexName() {
    size_t end = at_;
    while (end < source_.size()) {
      const CodePoint c = Decode(source_, end);
      if (!IsWordChar(c.value)) break;
      end += c.bytes;
    }
    Push(TokenKind::kName, source_.substr(at_, end - at_));
    MoveTo(end);
    return {};
  }

  Status LexString(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return Err("a string is not closed");
    RW_ASSIGN(std::string value,
              Unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
    Push(TokenKind::kString, std::move(value));
    MoveTo(end + 1);
    return {};
  }

  size_t SkipDigits(size_t at) const {
    while (at < source_.size() && ((source_[at] >= '0' && source_[at] <= '9') ||
                                   (source_[at] == '_' && at + 1 < source_.size() &&
                                    source_[at + 1] >= '0' && source_[at + 1] <= '9'))) {
      ++at;
    }
    return at;
  }

  bool DigitAt(size_t at) const {
    return at < source_.size() && source_[at] >= '0' && source_[at] <= '9';
  }

  // Where a float that starts here ends; at_ if there is none.
  size_t FloatEnd() const {
    if (at_ > 0 && source_[at_ - 1] == '.') return at_;
    const size_t whole = SkipDigits(at_);
    size_t end = whole;
    if (LookingAt(end, ".") && DigitAt(end + 1)) end = SkipDigits(end + 1);
    if (end < source_.size() && (source_[end] | 0x20) == 'e') {
      const size_t exponent = end + 1 + (SignAt(end + 1) != 0 ? 1 : 0);
      if (DigitAt(exponent)) end = SkipDigits(exponent);
    }
    return end > whole ? end : at_;
  }

  Status LexNumber() {
    if (const size_t end = FloatEnd(); end > at_) {
      Push(TokenKind::kFloat, source_.substr(at_, end - at_));
      tokens_.back().number = ParseFloat(tokens_.back().text).value_or(0);
      MoveTo(end);
      return {};
    }
    size_t end = SkipDigits(at_);
    const char prefix = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : ' ';
    if (source_[at_] == '0' && (prefix == 'x' || prefix == 'o' || prefix == 'b')) {
      end = at_ + 2;
      while (end < source_.size() &&
             (isxdigit(static_cast<unsigned char>(source_[end])) != 0 || source_[end] == '_')) {
        ++end;
      }
    }
    const std::string text = source_.substr(at_, end - at_);
    RW_ASSIGN(const std::optional<int64_t> value, ParseInt(text, 0));
    if (!value) return Err("'{}' is no number", text.substr(0, 40));
    Push(TokenKind::kInteger, text);
    tokens_.back().integer = *value;
    MoveTo(end);
    return {};
  }

  Status LexOperator(CodePoint first) {
    constexpr std::array<std::string_view, 26> kOperators = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    const auto found = std::find_if(kOperators.begin(), kOperators.end(),
                                    [&](std::string_view op) { return LookingAt(at_, op); });
    if (found == kOperators.end()) {
      return Err("unexpected character '{}'", source_.substr(at_, first.bytes));
    }
    RW_TRY(Balance(found->front()));
    Push(TokenKind::kOperator, std::string(*found));
    MoveTo(at_ + found->size());
    return {};
  }

  Status Balance(char c) {
    constexpr std::string_view kOpen = "([{";
    constexpr std::string_view kClose = ")]}";
    if (const size_t open = kOpen.find(c); open != std::string_view::npos) {
      brackets_ += kClose[open];
    } else if (kClose.find(c) != std::string_view::npos) {
      if (brackets_.empty()) return Err("unexpected '{}'", c);
      if (brackets_.back() != c) return Err("unexpected '{}', expected '{}'", c, brackets_.back());
      brackets_.pop_back();
    }
    return {};
  }

  // ---- Bookkeeping.

  void Push(TokenKind kind, std::string text) {
    tokens_.push_back({kind, line_, std::move(text), 0, 0});
  }

  void MoveTo(size_t at) {
    if (at == at_) return;
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(at_),
                                         source_.begin() + static_cast<ptrdiff_t>(at), '\n'));
    at_ = at;
    line_starting_ = source_[at - 1] == '\n';
  }

  const std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::string brackets_;  // the closing brackets that are due
  std::vector<Token> tokens_;
};

}  // namespace

std::string Token::Describe() const {
  switch (kind) {
    case TokenKind::kText:
      return "text";
    case TokenKind::kBlockBegin:
      return "'{%'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    case TokenKind::kVariableBegin:
      return "'{{'";
    case TokenKind::kVariableEnd:
      return "'}}'";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kEnd:
      return "the end of the template";
    default:
      return fmt::format("'{}'", text.substr(0, 60));
  }
}

Result<std::vector<Token>> Tokenize(std::string_view source, int& error_line) {
  Lexer lexer(source);
  auto tokens = lexer.Run();
  if (!tokens) error_line = lexer.line();
  return tokens;
}

}  // namespace rw::jinja
