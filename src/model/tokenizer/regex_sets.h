// Named sets of characters in Oniguruma, written as members of a PCRE2 class.
#pragma once

#include <string>
#include <string_view>

namespace rw::tok {

struct CharacterSet {
  std::string members;  // what goes between brackets
  bool single = false;  // members is one \p{...}, which \P{...} negates
};

// \s, \w or \h by its letter; no members for other letters. Outside of classes Oniguruma's \w also
// has the superscripts and fractions of Latin-1.
CharacterSet EscapeSet(char letter, bool in_class);

// [:name:]; no members if there is no such name.
CharacterSet PosixSet(std::string_view name);

// \p{name}
CharacterSet PropertySet(std::string_view name);

}  // namespace rw::tok
