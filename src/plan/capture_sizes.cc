#include "plan/capture_sizes.h"

#include <algorithm>

namespace rw {

int64_t DefaultMaxCaptureSize(const Facts& facts) {
  const int64_t cap = facts.platform.is_sm100_family() ? 1024 : 512;
  return std::min({facts.max_num_seqs * 2, cap, facts.max_num_batched_tokens});
}

Sizes GenerateCaptureSizes(int64_t largest) {
  Sizes sizes;
  for (const int64_t size : {1, 2, 4}) {
    if (size <= largest) sizes.push_back(size);
  }
  for (int64_t size = 8; size <= largest; size += size < 256 ? 8 : 16) sizes.push_back(size);
  return sizes;
}

}  // namespace rw
