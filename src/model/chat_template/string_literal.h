// The escapes of a string literal.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rw::jinja {

// Python's: \n \t \\ \' \" \xhh \uhhhh \Uhhhhhhhh, octal, a line continued. Other characters keep
// their backslash. Refused: \N{name} and surrogates, which UTF-8 cannot hold.
Result<std::string> Unescape(std::string_view literal);

}  // namespace rw::jinja
