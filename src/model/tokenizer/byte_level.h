// GPT-2's alphabet: each byte has a printable character of its own, U+0000 ... U+0143.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rw::tok {

// Appends the characters of each byte.
void AppendByteLevel(std::string_view bytes, std::string& out);

// The byte that a character stands for, if it is of the alphabet.
std::optional<char> ByteLevelByte(char32_t character);

}  // namespace rw::tok
