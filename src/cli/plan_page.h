// The plan as one self-contained HTML page.
#pragma once

#include <string>

#include "compile/compile.h"

namespace rw {

// The graph as imported and as it runs for each range of step sizes, its pieces, and the ledger.
// The page is plan_page.html with its style, its script and the data in it; it loads nothing.
std::string PlanPage(const Graph& imported, const Compiled& compiled, const Facts& facts);

}  // namespace rw
