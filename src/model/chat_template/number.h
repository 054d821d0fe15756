// Numbers as Python writes and reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rw::jinja {

// repr(float): the shortest digits that read back the same; "1.0", "1e+16", "inf", "nan".
std::string FloatRepr(double x);

// int(text, base): white space around and '_' between digits are allowed; base 0, 2..36. nullopt:
// no such number. Python's integers have no bound; one beyond 64 bits is an error here.
Result<std::optional<int64_t>> ParseInt(std::string_view text, int base);
std::optional<double> ParseFloat(std::string_view text);

// int(x) of a float: toward zero. An error for what has no 64-bit integer.
Result<int64_t> Truncate(double x);

}  // namespace rw::jinja
