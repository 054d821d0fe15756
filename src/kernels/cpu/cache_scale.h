// The unit of an fp8 cache's numbers.
#pragma once

#include <cstdint>

namespace rw {

// Of one kv head; `scales` as in KvLayerView, in the CPU's memory.
inline float CacheScale(const float* scales, int64_t head) {
  return scales == nullptr ? 1.0f : scales[head];
}

}  // namespace rw
