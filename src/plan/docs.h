// The pages under docs/ that are generated from the plan's tables.
#pragma once

#include <string>
#include <vector>

namespace rw {

struct DocPage {
  std::string file;  // "fusions.md"
  std::string text;
};

std::vector<DocPage> DocPages();

}  // namespace rw
