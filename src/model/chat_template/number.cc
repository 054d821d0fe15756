#include "model/chat_template/number.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int DigitValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

int PrefixBase(std::string_view digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  const char letter = static_cast<char>(digits[1] | 0x20);
  return letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
}

// Removes each '_' that stands between two digits; any other makes the text no number.
std::optional<std::string> WithoutUnderscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const bool between = i > 0 && i + 1 < text.size() && DigitValue(text[i - 1]) < 36 &&
                         DigitValue(text[i + 1]) < 36;
    if (!between) return std::nullopt;
  }
  return out;
}

bool SkipDigits(std::string_view text, size_t& at) {
  const size_t start = at;
  while (at < text.size() && IsDigit(text[at])) ++at;
  return at > start;
}

bool IsDecimal(std::string_view text) {
  size_t at = 0;
  bool digits = SkipDigits(text, at);
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (SkipDigits(text, at)) digits = true;
  }
  if (!digits) return false;
  if (at == text.size()) return true;
  if ((text[at++] | 0x20) != 'e') return false;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  return SkipDigits(text, at) && at == text.size();
}

}  // namespace

std::string FloatRepr(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto written =
      std::to_chars(buffer, buffer + sizeof(buffer), x, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(written.ptr - buffer));
  const size_t e = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  if (exponent >= -4 && exponent < 16) {
    const auto fixed = std::to_chars(buffer, buffer + sizeof(buffer), x, std::chars_format::fixed);
    std::string out(buffer, fixed.ptr);
    if (out.find('.') == std::string::npos) out += ".0";
    return out;
  }
  return std::string(text);  // to_chars writes exponents as Python does: e+16, e-05
}

Result<std::optional<int64_t>> ParseInt(std::string_view text, int base) {
  std::string_view digits = Strip(text, Side::kBoth);
  bool negative = false;
  if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  const int prefix = PrefixBase(digits);
  const bool implied = base == 0;
  if (implied) base = prefix;
  if (prefix != 10 && prefix == base) {
    digits.remove_prefix(2);
    if (!digits.empty() && digits[0] == '_') digits.remove_prefix(1);
  }
  const auto plain = WithoutUnderscores(digits);
  if (!plain || plain->empty()) return std::nullopt;
  // Without a base given, "012" is no number.
  if (implied && base == 10 && plain->front() == '0' &&
      plain->find_first_not_of('0') != std::string::npos) {
    return std::nullopt;
  }
  for (const char c : *plain) {
    if (DigitValue(c) >= base) return std::nullopt;
  }
  uint64_t magnitude = 0;
  const auto read = std::from_chars(plain->data(), plain->data() + plain->size(), magnitude, base);
  const uint64_t most = uint64_t{1} << 63;
  if (read.ec != std::errc() || magnitude > most || (magnitude == most && !negative)) {
    return Err("an integer of more than 64 bits");
  }
  return static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
}

std::optional<double> ParseFloat(std::string_view text) {
  std::string_view body = Strip(text, Side::kBoth);
  bool negative = false;
  if (!body.empty() && (body[0] == '+' || body[0] == '-')) {
    negative = body[0] == '-';
    body.remove_prefix(1);
  }
  const auto plain = WithoutUnderscores(body);
  if (!plain) return std::nullopt;
  double value = 0;
  const std::string lower = Lower(*plain);
  if (lower == "inf" || lower == "infinity") {
    value = HUGE_VAL;
  } else if (lower == "nan") {
    value = std::nan("");
  } else if (IsDecimal(*plain)) {
    value = std::strtod(plain->c_str(), nullptr);
  } else {
    return std::nullopt;
  }
  return negative ? -value : value;
}

Result<int64_t> Truncate(double x) {
  if (std::isnan(x)) return Err("NaN has no integer");
  if (!(x >= -9223372036854775808.0 && x < 9223372036854775808.0)) {
    return Err("an integer of more than 64 bits");
  }
  return static_cast<int64_t>(x);
}

}  // namespace rw::jinja
