#include "cli/arguments.h"

#include <array>
#include <string_view>

namespace rw {
namespace {

constexpr std::string_view kLong = "--compilation-config";
constexpr std::array<std::string_view, 2> kPrefixes = {"-cc", kLong};

// What follows the prefix of a compile option, or nothing if the argument is none.
bool Follows(std::string_view argument, std::string_view& rest) {
  for (const std::string_view prefix : kPrefixes) {
    if (!argument.starts_with(prefix)) continue;
    rest = argument.substr(prefix.size());
    if (rest.empty() || rest[0] == '.' || rest[0] == '=') return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> ExpandArguments(int argc, const char* const* argv) {
  std::vector<std::string> expanded;
  for (int i = 1; i < argc; ++i) {
    std::string_view rest;
    if (!Follows(argv[i], rest)) {
      expanded.emplace_back(argv[i]);
      continue;
    }
    expanded.emplace_back(kLong);
    if (rest.empty()) continue;  // the value is the next argument
    std::string value(rest.substr(1));
    if (rest[0] == '.' && value.find('=') == std::string::npos && i + 1 < argc) {
      value += '=';
      value += argv[++i];
    }
    expanded.push_back(std::move(value));
  }
  return expanded;
}

}  // namespace rw
