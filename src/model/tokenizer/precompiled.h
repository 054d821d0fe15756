// SentencePiece's "precompiled_charsmap": normalisation rules as a double-array trie from strings
// to their replacements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace rw::tok {

class Charsmap {
 public:
  // A JSON string: base64 of the trie's size in bytes (uint32), the trie (uint32 units), and the
  // replacements, each ended by a zero byte; all little-endian.
  static Result<Charsmap> FromJson(const Json& base64);

  // Valid UTF-8 to valid UTF-8.
  std::string Apply(std::string_view text) const;
  size_t longest_replacement() const { return longest_; }  // bytes

 private:
  // The replacement of the shortest key that `text` starts with.
  std::optional<std::string_view> Find(std::string_view text) const;

  std::vector<uint32_t> trie_;
  std::string replacements_;
  size_t longest_ = 0;
};

}  // namespace rw::tok
