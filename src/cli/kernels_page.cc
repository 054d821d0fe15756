#include "cli/kernels_page.h"

#include <string_view>

#include "cli/page.h"

namespace rw {
namespace {

// Written by CMake from the files of the same names.
constexpr std::string_view kHtml =
#include "kernels_page.html.inc"
    ;
constexpr std::string_view kCss =
#include "kernels_page.css.inc"
    ;
constexpr std::string_view kJs =
#include "kernels_page.js.inc"
    ;

}  // namespace

std::string KernelsPage(const bench::Results& results) {
  return FillPage(kHtml, {{"{{page style}}", PageCss()},
                          {"{{style}}", kCss},
                          {"{{data}}", InScript(bench::ToJson(results))},
                          {"{{page script}}", PageJs()},
                          {"{{script}}", kJs}});
}

}  // namespace rw
