#include "ir/type.h"

#include <fmt/format.h>

namespace rw {

std::string ToString(const Dim& dim) {
  return dim.is_symbol() ? dim.symbol : std::to_string(dim.value);
}

std::string ToString(const Type& type) {
  std::string dims;
  for (const Dim& dim : type.dims) {
    if (!dims.empty()) dims += ',';
    dims += ToString(dim);
  }
  return fmt::format(
      "{}[{}]",
      type.is_kv() ? fmt::format("kv<{}>", Name(type.dtype)) : std::string(Name(type.dtype)), dims);
}

}  // namespace rw
