// What the self-contained HTML pages share.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace rw {

std::string_view PageCss();
std::string_view PageJs();

// `html` with each mark replaced by its text, in this order. Every mark stands there once.
std::string FillPage(std::string_view html,
                     std::initializer_list<std::pair<std::string_view, std::string_view>> texts);

// JSON in which no tag can begin or end, whatever the names in it.
std::string InScript(std::string_view json);

}  // namespace rw
