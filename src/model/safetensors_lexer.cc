#include "model/safetensors_lexer.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace rw {
namespace {

// How many of the next bytes of a string stand for themselves: no quote, backslash, control
// character or start of a sequence of several bytes. Eight at a time, since headers run to MB.
size_t PlainBytes(const char* at, const char* end) {
  constexpr uint64_t kOnes = 0x0101010101010101u, kHigh = 0x8080808080808080u;
  const char* p = at;
  for (; end - p >= 8; p += 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    // For bytes below 0x80, (x - n) & 0x80 is set exactly where x < n; borrows only reach bytes
    // above the first hit, and the exact place is found below.
    const uint64_t quote = (word ^ (kOnes * '"')) - kOnes;
    const uint64_t backslash = (word ^ (kOnes * '\\')) - kOnes;
    const uint64_t control = word - kOnes * 0x20;
    if (((quote | backslash | control | word) & kHigh) != 0) break;
  }
  while (p < end) {
    const auto c = static_cast<unsigned char>(*p);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
    ++p;
  }
  return static_cast<size_t>(p - at);
}

void AppendUtf8(unsigned code, std::string* out) {
  if (code < 0x80) {
    *out += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
  *out += static_cast<char>(kLead[more] | (code >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) {
    *out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
  }
}

}  // namespace

std::string QuoteName(std::string_view name) {
  constexpr size_t kShown = 80;
  size_t shown = std::min(name.size(), kShown);
  // Not in the middle of a UTF-8 sequence.
  while (shown < name.size() && shown > 0 && (name[shown] & 0xC0) == 0x80) --shown;
  std::string text = "\"";
  for (const char c : name.substr(0, shown)) text += static_cast<unsigned char>(c) < 32 ? '?' : c;
  if (shown < name.size()) text += "...";
  return text + "\"";
}

tl::unexpected<Error> SafetensorsLexer::Fail(std::string_view wanted) const {
  const std::string tensor =
      tensor_ == nullptr ? "" : fmt::format("tensor {}: ", QuoteName(*tensor_));
  return Err("{}: header, file offset {}: {}expected {}", where_, 8 + (at_ - start_), tensor,
             wanted);
}

tl::unexpected<Error> SafetensorsLexer::FailHere(std::string_view wanted) const {
  if (at_ == end_) return Fail(fmt::format("{}, found the header's end", wanted));
  const auto c = static_cast<unsigned char>(*at_);
  if (c > 0x20 && c < 0x7F) return Fail(fmt::format("{}, found '{}'", wanted, *at_));
  return Fail(fmt::format("{}, found byte 0x{:02x}", wanted, c));
}

void SafetensorsLexer::SkipSpace() {
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
}

Status SafetensorsLexer::Expect(char token) {
  SkipSpace();
  if (at_ == end_ || *at_ != token) return FailHere(fmt::format("'{}'", token));
  ++at_;
  return {};
}

Status SafetensorsLexer::ExpectEnd() {
  SkipSpace();
  if (at_ != end_) return FailHere("nothing after the object but padding");
  return {};
}

Result<bool> SafetensorsLexer::NextItem(char close, bool first) {
  SkipSpace();
  if (at_ < end_ && *at_ == close) {
    ++at_;
    return false;
  }
  if (first) return true;
  if (at_ == end_ || *at_ != ',') return FailHere(fmt::format("',' or '{}'", close));
  ++at_;
  return true;
}

// One sequence of 2 to 4 bytes as RFC 3629 has it: no overlong forms, no surrogates, at most
// U+10FFFF.
bool SafetensorsLexer::SkipUtf8Sequence() {
  const auto byte = [&](ptrdiff_t i) -> unsigned {
    return i < end_ - at_ ? static_cast<unsigned char>(at_[i]) : 0;
  };
  const unsigned lead = byte(0);
  const int more = lead >= 0xC2 && lead <= 0xDF   ? 1
                   : lead >= 0xE0 && lead <= 0xEF ? 2
                   : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                  : 0;
  if (more == 0) return false;
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return false;
  for (int i = 2; i <= more; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return false;
  }
  at_ += more + 1;
  return true;
}

Status SafetensorsLexer::ReadString(std::string* out) {
  SkipSpace();
  if (at_ == end_ || *at_ != '"') return FailHere("a string");
  ++at_;
  if (out != nullptr) out->clear();
  for (;;) {
    const char* from = at_;
    at_ += PlainBytes(at_, end_);
    while (at_ < end_ && static_cast<unsigned char>(*at_) >= 0x80) {
      if (!SkipUtf8Sequence()) return FailHere("UTF-8");
    }
    if (out != nullptr) out->append(from, static_cast<size_t>(at_ - from));
    if (at_ == end_) return FailHere("a closing '\"'");
    if (*at_ == '"') break;
    if (*at_ == '\\') {
      RW_TRY(ReadEscape(out));
    } else if (static_cast<unsigned char>(*at_) < 0x20) {
      return FailHere("no control character in a string");
    }
  }
  ++at_;
  return {};
}

Status SafetensorsLexer::ReadEscape(std::string* out) {
  static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
  ++at_;
  if (at_ == end_) return FailHere("an escape");
  if (const size_t i = kNames.find(*at_); i != std::string_view::npos) {
    ++at_;
    if (out != nullptr) *out += kValues[i];
    return {};
  }
  if (*at_ != 'u') return FailHere("an escape");
  ++at_;
  RW_ASSIGN(unsigned code, ReadHex4());
  if (code >= 0xD800 && code <= 0xDFFF) {
    const bool high = code <= 0xDBFF && end_ - at_ >= 2 && at_[0] == '\\' && at_[1] == 'u';
    if (!high) return FailHere("a pair of surrogates");
    at_ += 2;
    RW_ASSIGN(const unsigned low, ReadHex4());
    if (low < 0xDC00 || low > 0xDFFF) return FailHere("a pair of surrogates");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  if (out != nullptr) AppendUtf8(code, out);
  return {};
}

Result<unsigned> SafetensorsLexer::ReadHex4() {
  unsigned code = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    const size_t digit =
        at_ < end_
            ? kDigits.find(static_cast<char>(*at_ >= 'A' && *at_ <= 'F' ? *at_ - 'A' + 'a' : *at_))
            : std::string_view::npos;
    if (digit == std::string_view::npos) return FailHere("four hexadecimal digits");
    code = code * 16 + static_cast<unsigned>(digit);
  }
  return code;
}

Result<size_t> SafetensorsLexer::ReadNumber() {
  SkipSpace();
  const char* from = at_;
  size_t value = 0;
  for (; at_ < end_ && *at_ >= '0' && *at_ <= '9'; ++at_) {
    if (__builtin_mul_overflow(value, size_t{10}, &value) ||
        __builtin_add_overflow(value, static_cast<size_t>(*at_ - '0'), &value)) {
      return Fail("a whole number below 2^64, found a larger one");
    }
  }
  if (at_ == from) return FailHere("a whole number");
  if (*from == '0' && at_ - from > 1) return Fail("a whole number, found one with a leading zero");
  if (at_ < end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E')) return FailHere("a whole number");
  return value;
}

}  // namespace rw
