#include "model/tokenizer/regex_sets.h"

#include <algorithm>
#include <iterator>

namespace rw::tok {
namespace {

struct Named {
  std::string_view name;
  std::string_view members;
};

constexpr std::string_view kSpace = R"(\t-\r\x{85}\p{Z})";
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr std::string_view kLatin1Word = R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
constexpr std::string_view kHex = "0-9A-Fa-f";

constexpr Named kPosix[] = {
    {"alnum", R"(\p{Alphabetic}\p{Nd})"},
    {"alpha", R"(\p{Alphabetic})"},
    {"blank", R"(\t\p{Zs})"},
    {"cntrl", R"(\p{Cc})"},
    {"digit", R"(\p{Nd})"},
    {"graph", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co})"},
    {"lower", R"(\p{Lowercase})"},
    {"print", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}\p{Zs})"},
    {"punct", R"(\p{P}\p{S})"},
    {"space", kSpace},
    {"upper", R"(\p{Uppercase})"},
    {"word", kWord},
    {"xdigit", kHex},
};

// Properties that PCRE2 knows by other names, as keys (see PropertyKey).
constexpr Named kProperties[] = {
    {"punct", R"(\p{P})"},
    {"whitespace", kSpace},
    {"letter", R"(\p{L})"},
    {"mark", R"(\p{M})"},
    {"combiningmark", R"(\p{M})"},
    {"number", R"(\p{N})"},
    {"punctuation", R"(\p{P})"},
    {"symbol", R"(\p{S})"},
    {"separator", R"(\p{Z})"},
    {"other", R"(\p{C})"},
    {"uppercaseletter", R"(\p{Lu})"},
    {"lowercaseletter", R"(\p{Ll})"},
    {"titlecaseletter", R"(\p{Lt})"},
    {"modifierletter", R"(\p{Lm})"},
    {"otherletter", R"(\p{Lo})"},
    {"nonspacingmark", R"(\p{Mn})"},
    {"spacingmark", R"(\p{Mc})"},
    {"enclosingmark", R"(\p{Me})"},
    {"decimalnumber", R"(\p{Nd})"},
    {"letternumber", R"(\p{Nl})"},
    {"othernumber", R"(\p{No})"},
    {"connectorpunctuation", R"(\p{Pc})"},
    {"dashpunctuation", R"(\p{Pd})"},
    {"openpunctuation", R"(\p{Ps})"},
    {"closepunctuation", R"(\p{Pe})"},
    {"otherpunctuation", R"(\p{Po})"},
    {"mathsymbol", R"(\p{Sm})"},
    {"currencysymbol", R"(\p{Sc})"},
    {"modifiersymbol", R"(\p{Sk})"},
    {"othersymbol", R"(\p{So})"},
    {"spaceseparator", R"(\p{Zs})"},
    {"control", R"(\p{Cc})"},
    {"format", R"(\p{Cf})"},
};

// Properties that are no script and have the same name in both.
constexpr std::string_view kBinary[] = {
    "any",     "ascii",         "alphabetic",  "lowercase",   "uppercase",
    "math",    "dash",          "ideographic", "hexdigit",    "emoji",
    "idstart", "idcontinue",    "xidstart",    "xidcontinue", "emojipresentation",
    "cased",   "emojimodifier", "diacritic",   "radical",     "extendedpictographic",
};

template <size_t N>
const Named* Find(const Named (&table)[N], std::string_view name) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [&](const Named& entry) { return entry.name == name; });
  return found == std::end(table) ? nullptr : found;
}

CharacterSet MakeSet(std::string_view members) {
  const bool single = members.substr(0, 3) == R"(\p{)" && members.find('}') == members.size() - 1;
  return {std::string(members), single};
}

// Names are compared without case, spaces, '-' and '_'.
std::string PropertyKey(std::string_view name) {
  std::string key;
  for (const char c : name) {
    if (c == ' ' || c == '_' || c == '-') continue;
    key += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  return key;
}

}  // namespace

CharacterSet EscapeSet(char letter, bool in_class) {
  switch (letter) {
    case 's':
      return MakeSet(kSpace);
    case 'h':
      return MakeSet(kHex);
    case 'w':
      return {std::string(kWord) + std::string(in_class ? "" : kLatin1Word)};
    default:
      return {};
  }
}

CharacterSet PosixSet(std::string_view name) {
  const Named* known = Find(kPosix, name);
  return known != nullptr ? MakeSet(known->members) : CharacterSet{};
}

CharacterSet PropertySet(std::string_view name) {
  const std::string key = PropertyKey(name);
  if (const Named* known = Find(kProperties, key)) return MakeSet(known->members);
  if (const Named* known = Find(kPosix, key)) return MakeSet(known->members);
  // What is left are categories (\p{Lu}), properties of two values, and scripts.
  const bool plain = name.size() <= 2 ||
                     std::find(std::begin(kBinary), std::end(kBinary), key) != std::end(kBinary);
  std::string members = plain ? R"(\p{)" : R"(\p{sc:)";
  members += name;
  members += '}';
  return {std::move(members), true};
}

}  // namespace rw::tok
