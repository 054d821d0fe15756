#include "cli/plan_page.h"

#include <string_view>

#include "cli/page.h"
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

}  // namespace

std::string PlanPage(const Graph& imported, const Compiled& compiled, const Facts& facts) {
  return FillPage(kHtml, {{"{{page style}}", PageCss()},
                          {"{{style}}", kCss},
                          {"{{data}}", InScript(PlanPageData(imported, compiled, facts))},
                          {"{{page script}}", PageJs()},
                          {"{{graph script}}", kGraphJs},
                          {"{{script}}", kJs}});
}

}  // namespace rw
