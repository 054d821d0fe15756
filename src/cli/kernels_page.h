// Results of `bench kernels` as one self-contained HTML page.
#pragma once

#include <string>

#include "bench/results.h"

namespace rw {

// Heat maps of which variant wins where and by how much. The page loads nothing.
std::string KernelsPage(const bench::Results& results);

}  // namespace rw
