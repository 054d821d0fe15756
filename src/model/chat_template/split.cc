// Searching and splitting (declared in text.h).
#include <string.h>

#include <algorithm>

#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

bool IsLineBreak(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

size_t SkipSpaces(std::string_view text, size_t at, bool spaces) {
  while (at < text.size()) {
    const CodePoint c = Decode(text, at);
    if (IsSpace(c.value) != spaces) break;
    at += c.bytes;
  }
  return at;
}

size_t SkipSpacesBack(std::string_view text, size_t end, bool spaces) {
  while (end > 0) {
    const size_t start = PreviousStart(text, end);
    if (IsSpace(Decode(text, start).value) != spaces) break;
    end = start;
  }
  return end;
}

}  // namespace

// glibc's memmem is two-way search: linear whatever the inputs, which find() is not.
size_t FindBytes(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

size_t FindBytesLast(std::string_view text, std::string_view needle) {
  const std::string mirrored(text.rbegin(), text.rend());
  const size_t found = FindBytes(mirrored, std::string(needle.rbegin(), needle.rend()), 0);
  if (found == std::string_view::npos) return found;
  return text.size() - found - needle.size();
}

std::vector<std::string_view> SplitLines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    size_t next = i + c.bytes;
    if (IsLineBreak(c.value)) {
      if (c.value == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back(text.substr(start, (keep_ends ? next : i) - start));
      start = next;
    }
    i = next;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::vector<std::string_view> Split(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  size_t at = SkipSpaces(text, 0, true);
  while (at < text.size()) {
    if (limit >= 0 && parts.size() == static_cast<size_t>(limit)) {
      parts.push_back(Strip(text.substr(at), Side::kRight));
      break;
    }
    const size_t end = SkipSpaces(text, at, false);
    parts.push_back(text.substr(at, end - at));
    at = SkipSpaces(text, end, true);
  }
  return parts;
}

std::vector<std::string_view> Split(std::string_view text, std::string_view separator,
                                    int64_t limit) {
  std::vector<std::string_view> parts;
  size_t at = 0;
  while (limit < 0 || parts.size() < static_cast<size_t>(limit)) {
    const size_t found = FindBytes(text, separator, at);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(at, found - at));
    at = found + separator.size();
  }
  parts.push_back(text.substr(at));
  return parts;
}

std::vector<std::string_view> SplitRight(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  size_t end = SkipSpacesBack(text, text.size(), true);
  while (end > 0) {
    if (limit >= 0 && parts.size() == static_cast<size_t>(limit)) {
      parts.push_back(Strip(text.substr(0, end), Side::kLeft));
      break;
    }
    const size_t start = SkipSpacesBack(text, end, false);
    parts.push_back(text.substr(start, end - start));
    end = SkipSpacesBack(text, start, true);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> SplitRight(std::string_view text, std::string_view separator,
                                         int64_t limit) {
  const std::string mirrored(text.rbegin(), text.rend());
  const std::string mirrored_separator(separator.rbegin(), separator.rend());
  std::vector<std::string_view> parts;
  size_t end = text.size();
  for (const std::string_view part : Split(mirrored, mirrored_separator, limit)) {
    const size_t start = end - part.size();
    parts.push_back(text.substr(start, part.size()));
    end = start >= separator.size() ? start - separator.size() : 0;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace rw::jinja
