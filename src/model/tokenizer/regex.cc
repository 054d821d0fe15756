#include "model/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/check.h"
#include "model/tokenizer/regex_syntax.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

// One call of pcre2_match sees a window of the text and may start its match in the first part of
// it, so that what a call costs is bounded; window and match limit grow only where a match needs
// it, and that growth is what the scanner's allowance pays for.
constexpr size_t kStarts = 64;         // bytes
constexpr size_t kFirstWindow = 512;   // bytes
constexpr uint32_t kFirstLimit = 512;  // steps back
constexpr size_t kWindowGrowth = 8;
constexpr uint32_t kLimitGrowth = 16;
constexpr uint32_t kLargestLimit = 1u << 30;
constexpr uint32_t kHeapKib = 256 * 1024;
constexpr int64_t kAllowance = 16 << 20;
constexpr int64_t kAllowancePerByte = 64;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Code = std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Deleter<pcre2_compile_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;

std::string ErrorText(int code) {
  char text[256] = "";
  pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof(text));
  return text;
}

}  // namespace

struct Regex::Impl {
  Code code;
  std::string where;
};

Result<Regex> Regex::Compile(std::string_view pattern, const std::string& where) {
  RW_ASSIGN(const std::string translated, OnigurumaToPcre2(pattern, where));
  const CompileContext context(pcre2_compile_context_create(nullptr));
  RW_CHECK(context != nullptr);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  constexpr uint32_t kOptions =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_BACKSLASH_C;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                          kOptions, &error, &offset, context.get()));
  if (code == nullptr) {
    return Err("{}: expected a regular expression, found an error near byte {}: {}", where, offset,
               ErrorText(error));
  }
  return Regex(std::make_shared<const Impl>(Impl{std::move(code), where}));
}

bool Regex::matches_empty() const {
  uint32_t empty = 0;
  pcre2_pattern_info(impl_->code.get(), PCRE2_INFO_MATCHEMPTY, &empty);
  return empty != 0;
}

struct RegexScanner::Impl {
  std::shared_ptr<const Regex::Impl> regex;
  MatchData data;
  MatchContext context;
  uint32_t limit = 0;
  int64_t allowance = kAllowance;

  void SetLimit(uint32_t steps) {
    if (limit == steps) return;
    limit = steps;
    pcre2_set_match_limit(context.get(), steps);
  }

  // The first match that starts at `position` or later.
  Result<std::optional<Span>> Next(std::string_view text, size_t position);
  // What pcre2_match says of the text up to `end`; code points start at `position` and `end`.
  int Match(std::string_view text, size_t position, size_t end);
  tl::unexpected<Error> TooHard(int code) const {
    return Err("{}: the regular expression takes too many steps on this text ({})", regex->where,
               ErrorText(code));
  }
};

int RegexScanner::Impl::Match(std::string_view text, size_t position, size_t end) {
  pcre2_set_offset_limit(context.get(), position + kStarts);
  // A partial match says that text beyond the window would have been looked at.
  const uint32_t partial = end < text.size() ? PCRE2_PARTIAL_HARD : 0;
  const int code = pcre2_match(regex->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), end,
                               position, PCRE2_NO_UTF_CHECK | partial, data.get(), context.get());
  if (code > 0 && partial != 0 && pcre2_get_ovector_pointer(data.get())[1] == end) {
    return PCRE2_ERROR_PARTIAL;
  }
  return code;
}

Result<std::optional<Span>> RegexScanner::Impl::Next(std::string_view text, size_t position) {
  size_t window = kFirstWindow;
  SetLimit(kFirstLimit);
  while (true) {
    size_t end = position + std::min(window, text.size() - position);
    while (!IsBoundary(text, end)) ++end;
    const int code = Match(text, position, end);
    if (code > 0) {
      const PCRE2_SIZE* found = pcre2_get_ovector_pointer(data.get());
      RW_CHECK(found[0] >= position && found[0] <= found[1] && found[1] <= text.size());
      return Span{static_cast<uint32_t>(found[0]), static_cast<uint32_t>(found[1])};
    }
    if (code == PCRE2_ERROR_NOMATCH) {
      position += kStarts + 1;
      while (!IsBoundary(text, position)) ++position;
      if (position > text.size()) return std::nullopt;
      window = kFirstWindow;
      SetLimit(kFirstLimit);
    } else if (code == PCRE2_ERROR_PARTIAL) {
      window *= kWindowGrowth;
      allowance -= static_cast<int64_t>(std::min(window, text.size() - position));
    } else if (code == PCRE2_ERROR_MATCHLIMIT && limit < kLargestLimit) {
      SetLimit(std::min<uint64_t>(kLargestLimit, uint64_t{limit} * kLimitGrowth));
      allowance -= limit;
    } else {
      return TooHard(code);
    }
    if (allowance < 0) return TooHard(PCRE2_ERROR_MATCHLIMIT);
  }
}

RegexScanner::RegexScanner(const Regex& regex) : impl_(std::make_unique<Impl>()) {
  impl_->regex = regex.impl_;
  impl_->data.reset(pcre2_match_data_create(1, nullptr));
  impl_->context.reset(pcre2_match_context_create(nullptr));
  RW_CHECK(impl_->data != nullptr && impl_->context != nullptr);
  pcre2_set_heap_limit(impl_->context.get(), kHeapKib);
}

RegexScanner::~RegexScanner() = default;

Status RegexScanner::FindAll(std::string_view text, std::vector<Span>& matches) {
  RW_CHECK(text.size() <= std::numeric_limits<uint32_t>::max());
  if (text.empty()) return {};
  impl_->allowance += kAllowancePerByte * static_cast<int64_t>(text.size());
  size_t position = 0;
  std::optional<size_t> last_end;
  while (position <= text.size()) {
    RW_ASSIGN(const std::optional<Span> match, impl_->Next(text, position));
    if (!match) break;
    if (match->begin == match->end && last_end == match->end) {
      position = match->end + 1;
      while (!IsBoundary(text, position)) ++position;
      continue;
    }
    matches.push_back(*match);
    position = match->end;
    last_end = match->end;
  }
  return {};
}

}  // namespace rw::tok
