// UTF-8 as bytes and code points. Functions that say "valid" may read past the end of anything
// else.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rw::tok {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

struct CodePoint {
  char32_t value;
  size_t length;  // bytes
};

// Bytes of the code point that starts with `lead`, in valid UTF-8.
inline size_t Utf8Length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// True where valid UTF-8 may be cut without splitting a code point.
inline bool IsBoundary(std::string_view text, size_t position) {
  return position >= text.size() || (static_cast<unsigned char>(text[position]) & 0xC0) != 0x80;
}

// The code point at `position` < text.size() of valid UTF-8.
CodePoint DecodeAt(std::string_view text, size_t position);

void AppendUtf8(char32_t code_point, std::string& out);

// What stands at the front of `bytes`, which must not be empty.
struct Utf8Front {
  enum class Kind {
    kValid,
    kInvalid,    // `length` bytes become one U+FFFD (the "maximal subpart" that Unicode recommends)
    kTruncated,  // all of `bytes` begins a code point whose end is missing
  };
  Kind kind;
  size_t length;  // bytes
};
Utf8Front InspectFront(std::string_view bytes);

// Bytes of the longest valid prefix: bytes.size() if all of it is valid UTF-8.
size_t ValidUtf8Prefix(std::string_view bytes);

// Whether valid UTF-8 holds exactly one code point.
bool IsOneCodePoint(std::string_view valid);

}  // namespace rw::tok
