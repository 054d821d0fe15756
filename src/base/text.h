// Small helpers for messages.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace rw {

// Letters to insert, drop, replace or swap with a neighbour to turn one word into the other, for
// suggesting the nearest known name (optimal string alignment distance).
size_t EditDistance(std::string_view a, std::string_view b);

// Index of the known name nearest to `word`: one that begins with it, else the fewest edits away.
size_t Nearest(std::string_view word, std::span<const std::string> known);

}  // namespace rw
