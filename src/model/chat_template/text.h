// Strings as Python has them, over UTF-8: code points, white space, case, splitting. A byte that is
// no part of valid UTF-8 counts as one character and passes through unchanged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rw::jinja {

struct CodePoint {
  char32_t value = 0;  // a stray byte reads as U+FFFD
  size_t bytes = 0;
};

// The code point that starts at text[at]; at < text.size().
CodePoint Decode(std::string_view text, size_t at);
// The place where the code point that ends before text[end] starts; end > 0.
size_t PreviousStart(std::string_view text, size_t end);
void AppendUtf8(std::string& out, char32_t code_point);
bool ValidUtf8(std::string_view text);
size_t CountCodePoints(std::string_view text);

bool IsSpace(char32_t c);      // str.isspace
bool IsWordChar(char32_t c);   // \w of Python's regular expressions
bool IsNumeric(char32_t c);    // digits and other numbers
bool IsPrintable(char32_t c);  // str.isprintable
bool IsUpper(char32_t c);
bool IsLower(char32_t c);

// By simple case mapping, one code point to one, but for German sharp s. What Unicode maps to
// several code points elsewhere (ligatures, some Greek) stays as it is.
std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
std::string Capitalize(std::string_view text);
std::string TitleCase(std::string_view text);  // str.title

// Without white space, or without any of the code points of `chars`.
enum class Side { kLeft, kRight, kBoth };
std::string_view Strip(std::string_view text, Side side);
std::string_view Strip(std::string_view text, Side side, std::string_view chars);

// First place of `needle` at or after `from`, last place before the end; in linear time even for
// hostile inputs. npos when there is none.
size_t FindBytes(std::string_view text, std::string_view needle, size_t from);
size_t FindBytesLast(std::string_view text, std::string_view needle);

std::vector<std::string_view> SplitLines(std::string_view text, bool keep_ends = false);
// At white space (empty parts dropped) or at a separator, at most `limit` times; negative: no
// limit. SplitRight counts its splits from the end.
std::vector<std::string_view> Split(std::string_view text, int64_t limit);
std::vector<std::string_view> Split(std::string_view text, std::string_view separator,
                                    int64_t limit);
std::vector<std::string_view> SplitRight(std::string_view text, int64_t limit);
std::vector<std::string_view> SplitRight(std::string_view text, std::string_view separator,
                                         int64_t limit);

std::string EscapeHtml(std::string_view text);

}  // namespace rw::jinja
