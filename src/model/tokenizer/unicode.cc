#include "model/tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

utf8proc_category_t Category(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

int CombiningClass(utf8proc_int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

void AppendDecomposed(std::string_view text, int options, std::vector<utf8proc_int32_t>& out) {
  utf8proc_int32_t parts[64];  // the longest decomposition of Unicode has 18 code points
  int last_class = UTF8PROC_BOUNDCLASS_START;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = DecodeAt(text, i);
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.value), parts, std::size(parts),
                                static_cast<utf8proc_option_t>(options), &last_class);
    RW_CHECK(count >= 0 && count <= static_cast<utf8proc_ssize_t>(std::size(parts)));
    out.insert(out.end(), parts, parts + count);
    i += c.length;
  }
}

// Puts each run of combining marks into canonical order. utf8proc's own reordering swaps
// neighbours, which takes quadratic time on a long run of marks.
void ReorderMarks(std::vector<utf8proc_int32_t>& code_points) {
  const auto is_starter = [](utf8proc_int32_t c) { return CombiningClass(c) == 0; };
  for (auto begin = code_points.begin(); begin != code_points.end();) {
    if (is_starter(*begin)) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, code_points.end(), is_starter);
    std::stable_sort(begin, end, [](utf8proc_int32_t a, utf8proc_int32_t b) {
      return CombiningClass(a) < CombiningClass(b);
    });
    begin = end;
  }
}

void AppendNormalized(std::string_view text, bool compose, bool compatible, std::string& out) {
  int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (compatible) options |= UTF8PROC_COMPAT;
  std::vector<utf8proc_int32_t> code_points;
  code_points.reserve(text.size());
  AppendDecomposed(text, options, code_points);
  ReorderMarks(code_points);
  if (compose) {
    const auto count = utf8proc_normalize_utf32(
        code_points.data(), static_cast<utf8proc_ssize_t>(code_points.size()),
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    RW_CHECK(count >= 0);
    code_points.resize(static_cast<size_t>(count));
  }
  for (const auto c : code_points) AppendUtf8(static_cast<char32_t>(c), out);
}

}  // namespace

bool IsWhitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  if (c == 0x85) return true;
  const auto category = Category(c);
  return category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP;
}

bool IsNumeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto category = Category(c);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsPunctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  }
  const auto category = Category(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool IsMark(char32_t c) {
  const auto category = Category(c);
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

void AppendLower(char32_t c, std::string& out) {
  if (c == 0x130) {  // the one code point whose lower case is two, whatever stands around it
    AppendUtf8('i', out);
    AppendUtf8(0x307, out);
    return;
  }
  AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
}

std::string Normalize(std::string_view text, NormalForm form) {
  const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::string out;
  out.reserve(text.size());
  size_t done = 0;
  while (true) {
    // ASCII is its own normal form and never joins what stands before it, so only runs of other
    // characters need work, each with the ASCII character in front, which marks may join.
    const size_t run = std::find_if_not(text.begin() + done, text.end(), IsAscii) - text.begin();
    if (run == text.size()) break;
    const size_t end = std::find_if(text.begin() + run, text.end(), IsAscii) - text.begin();
    const size_t begin = run > done ? run - 1 : run;
    out.append(text, done, begin - done);
    AppendNormalized(text.substr(begin, end - begin), compose, compatible, out);
    done = end;
  }
  out.append(text, done);
  return out;
}

std::vector<size_t> GraphemeEnds(std::string_view text) {
  std::vector<size_t> ends;
  if (text.empty()) return ends;
  utf8proc_int32_t state = 0;
  CodePoint previous = DecodeAt(text, 0);
  size_t i = previous.length;
  while (i < text.size()) {
    const CodePoint next = DecodeAt(text, i);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous.value),
                                         static_cast<utf8proc_int32_t>(next.value), &state)) {
      ends.push_back(i);
    }
    previous = next;
    i += next.length;
  }
  ends.push_back(text.size());
  return ends;
}

}  // namespace rw::tok
