#include "exec/executable.h"

#include <algorithm>

namespace rw {

int Executable::SymbolIndex(std::string_view name) const {
  const auto it = std::find(symbols.begin(), symbols.end(), name);
  return it == symbols.end() ? -1 : static_cast<int>(it - symbols.begin());
}

std::vector<const native::Program*> Executable::Programs() const {
  std::vector<const native::Program*> programs;
  for (const Step& step : steps) {
    const native::Program* program = step.program.get();
    if (program != nullptr && std::ranges::find(programs, program) == programs.end()) {
      programs.push_back(program);
    }
  }
  return programs;
}

}  // namespace rw
