// How decode attention divides a sequence between blocks, and the memory that takes: plain C++ that
// the runtime reads too.
//
// A sequence with one new query is cut into parts of whole pages, each computed by another block.
// The cut depends on the sequence's own length (and the layer's window) only, so its result does
// not depend on what else is in the step.
#pragma once

#include <cstdint>

#include "kv/kv_cache.h"

namespace rw::gpu {

inline constexpr int kMaxParts = 32;
inline constexpr int kMinPartPages = 8;
inline constexpr int kJoinedParts = 8;  // the most that a cluster of blocks adds up

// Pages of each part but the last of a sequence that attends to `pages` of them.
constexpr int PartPages(int pages) {
  const int even = (pages + kMaxParts - 1) / kMaxParts;
  const int whole = (even + 3) / 4 * 4;  // the four warps of a block take a page each
  return whole > kMinPartPages ? whole : kMinPartPages;
}

// The most parts that any sequence of up to `pages` pages has.
constexpr int64_t MaxParts(int64_t pages) {
  const int64_t parts = (pages + kMinPartPages - 1) / kMinPartPages;
  return parts < 1 ? 1 : parts > kMaxParts ? kMaxParts : parts;
}

// What parts leave for the block that adds them up: for each query head the maximum and the sum of
// its weights, then its weighted sum of values. `heads`: sequences * parts * query heads.
constexpr int64_t PartStatFloats(int64_t heads) { return (heads + 1) / 2 * 4; }
constexpr int64_t PartBytes(int64_t heads, int64_t d) {
  return (PartStatFloats(heads) + heads * d) * static_cast<int64_t>(sizeof(float));
}

// Queue::scratch that a step of up to max_sequences sequences of up to max_length positions needs.
// It may hold anything before the call. The blocks count each other in Queue::counters: one for
// each sequence and query head.
constexpr int64_t AttentionScratchBytes(int64_t max_sequences, int64_t hq, int64_t d,
                                        int64_t max_length) {
  return PartBytes(max_sequences * MaxParts((max_length + kPageSize - 1) / kPageSize) * hq, d);
}

}  // namespace rw::gpu
