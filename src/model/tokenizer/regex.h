// Regular expressions over UTF-8, through PCRE2, with Oniguruma's syntax (regex_syntax.h) as
// tokenizer.json has it.
//
// PCRE2's interpreter is used, not its JIT: it splits 10 MB of text in a quarter of a second, and
// only its match limit counts each step back, so only it can be kept from running away.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rw::tok {

// Byte offsets into a text of less than 4 GiB.
struct Span {
  uint32_t begin;
  uint32_t end;
};

class Regex {
 public:
  // `where` names the pattern's place in messages.
  static Result<Regex> Compile(std::string_view pattern, const std::string& where);

  bool matches_empty() const;  // whether it can match nothing

 private:
  friend class RegexScanner;
  struct Impl;
  explicit Regex(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// Finds matches of one regex; holds what PCRE2 needs to do so. Not for several threads at once.
class RegexScanner {
 public:
  explicit RegexScanner(const Regex& regex);
  ~RegexScanner();
  RegexScanner(const RegexScanner&) = delete;
  RegexScanner& operator=(const RegexScanner&) = delete;

  // Appends all matches in valid UTF-8, from left to right, none overlapping; an empty match right
  // behind another match is passed over. An error if the regex takes too many steps: beyond a fixed
  // allowance of some seconds plus 64 steps for each byte given to this scanner so far.
  Status FindAll(std::string_view text, std::vector<Span>& matches);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rw::tok
