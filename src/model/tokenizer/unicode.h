// Unicode properties and normal forms, through utf8proc. All text is valid UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rw::tok {

bool IsWhitespace(char32_t code_point);   // White_Space
bool IsNumeric(char32_t code_point);      // category Nd, Nl or No
bool IsPunctuation(char32_t code_point);  // category P*, or ASCII punctuation (with $+<=>^`|~)
bool IsMark(char32_t code_point);         // category Mn, Mc or Me

// Appends the lower case of one code point without looking at its neighbours: U+0130 becomes two
// code points, a capital sigma never a final one.
void AppendLower(char32_t code_point, std::string& out);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
std::string Normalize(std::string_view text, NormalForm form);

// Byte offsets where each extended grapheme cluster ends; the last is text.size().
std::vector<size_t> GraphemeEnds(std::string_view text);

}  // namespace rw::tok
