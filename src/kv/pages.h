// How many pages of the KV cache tokens take.
#pragma once

#include <cstdint>

#include "kv/kv_cache.h"

namespace rw {

inline int64_t PagesFor(int64_t tokens) { return (tokens + kPageSize - 1) / kPageSize; }

}  // namespace rw
