#include "model/chat_template/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <set>

namespace rw::jinja {
namespace {

bool IsTail(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

utf8proc_category_t Category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

template <class Map>
std::string MapEach(std::string_view text, Map map) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    const bool stray = c.value == 0xFFFD && c.bytes == 1;
    if (stray) {
      out += text[i];
    } else {
      map(out, c.value);
    }
    i += c.bytes;
  }
  return out;
}

void AppendUpper(std::string& out, char32_t c) {
  if (c == 0xDF) {
    out += "SS";
  } else {
    AppendUtf8(out, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

void AppendTitle(std::string& out, char32_t c) {
  if (c == 0xDF) {
    out += "Ss";
  } else {
    AppendUtf8(out, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
  }
}

void AppendLower(std::string& out, char32_t c) {
  AppendUtf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

template <class Drop>
std::string_view StripIf(std::string_view text, Side side, Drop drop) {
  if (side != Side::kRight) {
    while (!text.empty()) {
      const CodePoint c = Decode(text, 0);
      if (!drop(c.value)) break;
      text.remove_prefix(c.bytes);
    }
  }
  if (side != Side::kLeft) {
    while (!text.empty()) {
      const size_t start = PreviousStart(text, text.size());
      if (!drop(Decode(text, start).value)) break;
      text = text.substr(0, start);
    }
  }
  return text;
}

}  // namespace

CodePoint Decode(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1;
  if (length == 1 || lead > 0xF4 || at + length > text.size()) return {0xFFFD, 1};
  char32_t value = lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if (!IsTail(text[at + i])) return {0xFFFD, 1};
    value = (value << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value < 0xE000;
  if (value < kSmallest[length] || value > 0x10FFFF || surrogate) return {0xFFFD, 1};
  return {value, length};
}

size_t PreviousStart(std::string_view text, size_t end) {
  for (size_t length = 2; length <= 4 && length <= end; ++length) {
    if (Decode(text, end - length).bytes == length) return end - length;
  }
  return end - 1;
}

void AppendUtf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

bool ValidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (c.bytes == 1 && c.value == 0xFFFD) return false;
    i += c.bytes;
  }
  return true;
}

size_t CountCodePoints(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) i += Decode(text, i).bytes;
  return count;
}

bool IsSpace(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool IsWordChar(char32_t c) {
  if (c == '_') return true;
  switch (Category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

bool IsNumeric(char32_t c) {
  const utf8proc_category_t category = Category(c);
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO;
}

bool IsPrintable(char32_t c) {
  if (c == ' ') return true;
  switch (Category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

bool IsUpper(char32_t c) { return utf8proc_isupper(static_cast<utf8proc_int32_t>(c)) != 0; }
bool IsLower(char32_t c) { return utf8proc_islower(static_cast<utf8proc_int32_t>(c)) != 0; }

std::string Upper(std::string_view text) { return MapEach(text, AppendUpper); }
std::string Lower(std::string_view text) { return MapEach(text, AppendLower); }

std::string Capitalize(std::string_view text) {
  bool first = true;
  return MapEach(text, [&first](std::string& out, char32_t c) {
    first ? AppendTitle(out, c) : AppendLower(out, c);
    first = false;
  });
}

std::string TitleCase(std::string_view text) {
  bool in_word = false;
  return MapEach(text, [&in_word](std::string& out, char32_t c) {
    in_word ? AppendLower(out, c) : AppendTitle(out, c);
    in_word = IsUpper(c) || IsLower(c) || Category(c) == UTF8PROC_CATEGORY_LT;
  });
}

std::string_view Strip(std::string_view text, Side side) { return StripIf(text, side, IsSpace); }

std::string_view Strip(std::string_view text, Side side, std::string_view chars) {
  std::set<char32_t> dropped;
  for (size_t i = 0; i < chars.size();) {
    const CodePoint c = Decode(chars, i);
    dropped.insert(c.value);
    i += c.bytes;
  }
  return StripIf(text, side, [&](char32_t c) { return dropped.contains(c); });
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace rw::jinja
