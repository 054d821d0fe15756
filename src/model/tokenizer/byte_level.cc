#include "model/tokenizer/byte_level.h"

#include <array>
#include <cstdint>

namespace rw::tok {
namespace {

constexpr size_t kAlphabetEnd = 0x144;  // one past the largest character

struct Tables {
  std::array<char32_t, 256> character;
  std::array<int16_t, kAlphabetEnd> byte;  // -1: none
};

// Printable Latin-1 stands for itself; the others follow from U+0100 on, in order.
constexpr Tables MakeTables() {
  Tables tables{};
  for (auto& byte : tables.byte) byte = -1;
  char32_t next = 0x100;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
    const char32_t character = printable ? static_cast<char32_t>(b) : next++;
    tables.character[b] = character;
    tables.byte[character] = static_cast<int16_t>(b);
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

void AppendByteLevel(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) {
    const char32_t character = kTables.character[static_cast<unsigned char>(byte)];
    if (character < 0x80) {
      out.push_back(static_cast<char>(character));
    } else {
      out.push_back(static_cast<char>(0xC0 | (character >> 6)));
      out.push_back(static_cast<char>(0x80 | (character & 0x3F)));
    }
  }
}

std::optional<char> ByteLevelByte(char32_t character) {
  if (character >= kAlphabetEnd || kTables.byte[character] < 0) return std::nullopt;
  return static_cast<char>(kTables.byte[character]);
}

}  // namespace rw::tok
