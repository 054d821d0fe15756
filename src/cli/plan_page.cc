#include "cli/plan_page.h"

#include <string_view>

#include "base/check.h"
#include "cli/plan_page_data.h"

namespace rw {
namespace {

// Written by CMake from the files of the same names.
constexpr std::string_view kHtml =
#include "plan_page.html.inc"
    ;
constexpr std::string_view kCss =
#include "plan_page.css.inc"
    ;
constexpr std::string_view kJs =
#include "plan_page.js.inc"
    ;
constexpr std::string_view kGraphJs =
#include "plan_page_graph.js.inc"
    ;

// JSON in which no tag can begin or end, whatever the names in it: '<' stands only in strings.
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

}  // namespace

std::string PlanPage(const Graph& imported, const Compiled& compiled, const Facts& facts) {
  const std::string data = InScript(PlanPageData(imported, compiled, facts));
  std::string page;
  page.reserve(kHtml.size() + kCss.size() + kJs.size() + kGraphJs.size() + data.size());
  std::string_view rest = kHtml;
  const auto insert = [&](std::string_view mark, std::string_view text) {
    const size_t at = rest.find(mark);
    RW_CHECK(at != std::string_view::npos, "plan_page.html has no {}", mark);
    page += rest.substr(0, at);
    page += text;
    rest.remove_prefix(at + mark.size());
  };
  insert("{{style}}", kCss);
  insert("{{data}}", data);
  insert("{{graph script}}", kGraphJs);
  insert("{{script}}", kJs);
  page += rest;
  return page;
}

}  // namespace rw
