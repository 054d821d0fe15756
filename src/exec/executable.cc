#include "exec/executable.h"

#include <algorithm>

namespace rw {

int Executable::SymbolIndex(std::string_view name) const {
  const auto it = std::find(symbols.begin(), symbols.end(), name);
  return it == symbols.end() ? -1 : static_cast<int>(it - symbols.begin());
}

}  // namespace rw
