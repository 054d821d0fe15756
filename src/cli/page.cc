#include "cli/page.h"

#include "base/check.h"

namespace rw {
namespace {

// Written by CMake from the files of the same names.
constexpr std::string_view kCss =
#include "page.css.inc"
    ;
constexpr std::string_view kJs =
#include "page.js.inc"
    ;

}  // namespace

std::string_view PageCss() { return kCss; }
std::string_view PageJs() { return kJs; }

std::string FillPage(std::string_view html,
                     std::initializer_list<std::pair<std::string_view, std::string_view>> texts) {
  std::string page;
  for (const auto& [mark, text] : texts) {
    const size_t at = html.find(mark);
    RW_CHECK(at != std::string_view::npos, "a page has no {}", mark);
    page += html.substr(0, at);
    page += text;
    html.remove_prefix(at + mark.size());
  }
  page += html;
  return page;
}

// '<' stands only in strings.
std::string InScript(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace rw
