// From the regular expressions of tokenizer.json, which are written for Oniguruma with its Ruby
// syntax, to PCRE2's syntax.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rw::tok {

// A pattern for PCRE2 with UTF, UCP and MULTILINE that matches what `pattern` matches in Oniguruma.
// Where the two differ:
//   \s          the property White_Space (PCRE2's own adds U+180E)
//   \w \b \B    words of alphabetic characters, marks, decimal digits and connectors (L, N and _)
//   \h          hexadecimal digits (horizontal space)
//   [[:alpha:]] and the like, \p{Alpha} and the like: properties
//   \p{Greek}   Script (Script_Extensions)
//   [a[b]]      a class in a class is part of it (a literal bracket)
//   \uHHHH      a code point
//   X{n,m}+     repeats X{n,m} (possessive)
//   X{,m}       X{0,m} (literal)
//   (?m)        what PCRE2 calls (?s)
// `where` stands in front of errors: intersections of classes, negated classes in classes, \K, (*
// verbs, the x flag, and groups other than (?: (?= (?! (?<= (?<! (?> (?<name> (?# and flags.
Result<std::string> OnigurumaToPcre2(std::string_view pattern, std::string_view where);

}  // namespace rw::tok
