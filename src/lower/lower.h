// Graph -> Executable: a kernel row for each call, or a program for neighbouring calls that run as
// native code; a place in memory for each value.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "exec/executable.h"
#include "ir/graph.h"
#include "partition/partition.h"

namespace rw {

struct LowerOptions {
  Device device = Device::kCpu;
  // Kernel providers, the preferred one first; none: all, in the order of the kernel table.
  std::vector<std::string_view> providers;
  // The graph's pieces (src/partition); empty: one piece. Equal pieces are lowered once.
  std::vector<Piece> pieces;
  // The most that each symbol of an intermediate result can be at run time ("n": tokens of a step,
  // "r": rows that get logits). The arena is sized for them.
  std::map<std::string, int64_t, std::less<>> limits;
};

// `graph` must have passed Verify. An error if a call has no kernel, or a limit is missing.
Result<Executable> Lower(const Graph& graph, const LowerOptions& options);

}  // namespace rw
