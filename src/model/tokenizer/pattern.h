// What Split and Replace look for: {"String": "..."} or {"Regex": "..."}.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "model/tokenizer/regex.h"

namespace rw::tok {

class Pattern {
 public:
  static Result<Pattern> FromJson(const Json& json);
  explicit Pattern(Regex regex) : what_(std::move(regex)) {}

  // By how much putting `content` in place of every match may multiply a text's length.
  double Growth(std::string_view content) const;

 private:
  friend class PatternScanner;
  explicit Pattern(std::string literal) : what_(std::move(literal)) {}

  std::variant<std::string, Regex> what_;  // the string is not empty
};

// Finds matches of one pattern, which must outlive it; see RegexScanner.
class PatternScanner {
 public:
  explicit PatternScanner(const Pattern& pattern);

  Status FindAll(std::string_view text, std::vector<Span>& matches);

 private:
  const std::string* literal_;  // or null
  std::unique_ptr<RegexScanner> regex_;
};

// `text` with `content` in place of every match.
std::string ReplaceMatches(std::string_view text, const std::vector<Span>& matches,
                           std::string_view content);

}  // namespace rw::tok
