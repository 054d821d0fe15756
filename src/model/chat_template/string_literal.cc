#include "model/chat_template/string_literal.h"

#include <charconv>

#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

// Reads the `digits` hex digits at literal[at] and appends their code point.
Status AppendHex(std::string& out, std::string_view literal, size_t at, size_t digits) {
  const std::string_view text = literal.substr(at, digits);
  uint32_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() < digits || read.ptr != text.data() + digits) {
    return Err("an escape in a string needs {} hex digits", digits);
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
    return Err("the escape \\{}{} in a string is no character", literal[at - 1], text);
  }
  AppendUtf8(out, value);
  return {};
}

size_t AppendOctal(std::string& out, std::string_view literal, size_t at) {
  uint32_t value = 0;
  size_t end = at;
  while (end < literal.size() && end < at + 3 && literal[end] >= '0' && literal[end] <= '7') {
    value = value * 8 + static_cast<uint32_t>(literal[end++] - '0');
  }
  AppendUtf8(out, value);
  return end;
}

}  // namespace

Result<std::string> Unescape(std::string_view literal) {
  constexpr std::string_view kNames = "\n\\'\"abfnrtv";
  constexpr std::string_view kValues = "\n\\'\"\a\b\f\n\r\t\v";
  std::string out;
  for (size_t i = 0; i < literal.size();) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      out += literal[i++];
      continue;
    }
    const char c = literal[i + 1];
    i += 2;
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0) {
      RW_TRY(AppendHex(out, literal, i, digits));
      i += digits;
    } else if (c >= '0' && c <= '7') {
      i = AppendOctal(out, literal, i - 1);
    } else if (c == 'N') {
      return Err("the escape \\N in a string is not supported");
    } else if (const size_t name = kNames.find(c); name != std::string_view::npos) {
      if (c != '\n') out += kValues[name];  // a backslash at the end of a line joins it to the next
    } else {
      out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace rw::jinja
