// Measurements in the generated pages.
#pragma once

#include <string>
#include <string_view>

namespace rw {

// What the built-in rows say of a question, each with a link to what shows it; rows for single
// shapes, which are many, as one count for each result. "not measured" where there are none.
std::string MeasuredCell(std::string_view question);

}  // namespace rw
