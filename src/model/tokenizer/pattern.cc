#include "model/tokenizer/pattern.h"

#include <algorithm>

namespace rw::tok {

Result<Pattern> Pattern::FromJson(const Json& json) {
  const auto literal = json.Find("String");
  const auto source = json.Find("Regex");
  if (literal.has_value() == source.has_value()) {
    return json.Expected(R"({"String": ...} or {"Regex": ...})");
  }
  RW_ASSIGN(const std::string_view text, (literal ? literal : source)->AsString());
  if (literal && !text.empty()) return Pattern(std::string(text));
  // An empty string stands between all characters, as an empty regex does.
  RW_ASSIGN(Regex regex, Regex::Compile(text, (literal ? literal : source)->where()));
  return Pattern(std::move(regex));
}

double Pattern::Growth(std::string_view content) const {
  const auto size = static_cast<double>(content.size());
  if (const auto* literal = std::get_if<std::string>(&what_)) {
    return std::max(1.0, size / static_cast<double>(literal->size()));
  }
  return std::get<Regex>(what_).matches_empty() ? 1 + size : std::max(1.0, size);
}

PatternScanner::PatternScanner(const Pattern& pattern)
    : literal_(std::get_if<std::string>(&pattern.what_)) {
  if (literal_ == nullptr) {
    regex_ = std::make_unique<RegexScanner>(std::get<Regex>(pattern.what_));
  }
}

Status PatternScanner::FindAll(std::string_view text, std::vector<Span>& matches) {
  if (regex_ != nullptr) return regex_->FindAll(text, matches);
  for (size_t at = text.find(*literal_); at != std::string_view::npos;
       at = text.find(*literal_, at + literal_->size())) {
    matches.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(at + literal_->size())});
  }
  return {};
}

std::string ReplaceMatches(std::string_view text, const std::vector<Span>& matches,
                           std::string_view content) {
  std::string out;
  out.reserve(text.size());
  size_t done = 0;
  for (const Span match : matches) {
    out.append(text.substr(done, match.begin - done));
    out.append(content);
    done = match.end;
  }
  out.append(text.substr(done));
  return out;
}

}  // namespace rw::tok
