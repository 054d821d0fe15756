// What the rope kernels share: their parameters, where heads lie and how the work is divided.
//
// A token's heads stand in three parts: q, k and, with a cache, v. A thread holds two octets of a
// head, chosen so that pairs never leave it, and does the same for several heads of the part with
// the same angles: its column. `lanes` threads share a head.
#pragma once

#include <bit>

#include "base/dtype.h"
#include "kernels/args.h"
#include "kernels/gpu/kv.cuh"
#include "kernels/scalar_math.h"
#include "kv/kv_cache.h"

namespace rw::gpu {

// The heads of one part: where they lie and where they go. That is the keys or values of a cache,
// or a result, which is treated as a cache whose slots are its rows.
struct RopeHeads {
  const void* from;
  std::byte* to;
  const int32_t* slot;                             // of each token; null: its row
  const float* scales;                             // of an fp8 cache, for each head; null: 1
  const void* w;                                   // of the norm, with norms
  int64_t from_stride;                             // elements, as all strides
  int64_t page_stride, token_stride, head_stride;  // of `to`
  int heads, slots;
  DType dtype, w_dtype;  // of `to` and w
  bool turns;            // and is normalised, with norms: q and k
};

enum RopePart { kQ, kK, kV, kRopeParts };

struct RopeParams {
  RopeHeads parts[kRopeParts];
  const int32_t* pos;
  const float* cs;
  int64_t cs_stride;
  int n, positions;  // rows of cs
  int d, pairs;      // of a head: elements, pairs that turn
  RopeLayout layout;
  NormStyle style;
  float eps;
};

__device__ __forceinline__ bool InRange(int i, int count) {
  return static_cast<unsigned>(i) < static_cast<unsigned>(count);
}

// Where the token's row of a part begins in `to`, in elements.
__device__ __forceinline__ int64_t PlaceOf(const RopeHeads& part, int slot) {
  constexpr auto kTokens = static_cast<unsigned>(kPageSize);
  const auto place = static_cast<unsigned>(slot);
  return place / kTokens * part.page_stride + place % kTokens * part.token_stride;
}

// x / by for any x below 2^31.
struct Divisor {
  uint32_t by, factor, shift;

  static Divisor Of(int by) {
    const auto divisor = static_cast<uint32_t>(by);
    const auto shift = 31 + static_cast<uint32_t>(std::bit_width(divisor - 1));
    return {divisor, static_cast<uint32_t>(((uint64_t{1} << shift) + divisor - 1) / divisor),
            shift};
  }
  RW_HD uint32_t Divide(uint32_t x) const {
    return static_cast<uint32_t>((uint64_t{x} * factor) >> shift);
  }
};

// What one thread does: a column of a token, heads first, first + step, ... of the part.
struct RopeWork {
  int token;  // n or more: nothing
  int part, first, step;
  int lane;
};

// How a launch divides the work: its threads are the lanes of the columns of the tokens, in turn.
struct RopeGrid {
  Divisor by_token, by_lanes;
  int columns[kRopeParts];
  int lanes;
  int octets, turning;  // of a head; of its part that turns
  // In the half layout the first `pairs` lanes hold octets that are partners, the next `rest` lanes
  // those that do not turn.
  int pairs, rest;

  RW_HD RopeWork WorkOf(uint32_t thread) const {
    RopeWork work;
    const uint32_t token = by_token.Divide(thread);
    const uint32_t in_token = thread - token * by_token.by;
    const uint32_t column = by_lanes.Divide(in_token);
    work.token = static_cast<int>(token);
    work.lane = static_cast<int>(in_token - column * by_lanes.by);
    work.first = static_cast<int>(column);
    work.part = kQ;
    if (work.first >= columns[kQ]) {
      work.first -= columns[kQ];
      work.part = kK;
      if (work.first >= columns[kK]) {
        work.first -= columns[kK];
        work.part = kV;
      }
    }
    work.step = columns[work.part];
    return work;
  }
};

// The octets of a head that a lane holds and whether they turn. In the half layout they are
// partners, or two that stay as they are.
struct HeldOctets {
  int octet[2];  // 0 or more also where none is held
  bool held[2], turns[2];
};
template <RopeLayout kLayout>
RW_HD inline HeldOctets HeldBy(const RopeGrid& grid, int lane) {
  if constexpr (kLayout == RopeLayout::kInterleaved) {
    const int second = lane + grid.lanes;
    return {{lane, second},
            {lane < grid.octets, second < grid.octets},
            {lane < grid.turning, second < grid.turning}};
  }
  const bool turns = lane < grid.pairs;
  const int first = turns ? lane : lane - grid.pairs + grid.turning;
  const int second = first + (turns ? grid.pairs : grid.rest);
  const bool held = lane < grid.pairs + grid.rest;
  return {{first, second}, {held, held && second < grid.octets}, {turns, turns}};
}

// The inverse of HeldBy for the half layout: which lane holds an octet, and as its first or second.
struct OctetHolder {
  int lane, which;
};
RW_HD inline OctetHolder HolderOf(const RopeGrid& grid, int octet) {
  if (octet < grid.pairs) return {octet, 0};
  if (octet < grid.turning) return {octet - grid.pairs, 1};
  const int i = octet - grid.turning;
  return i < grid.rest ? OctetHolder{grid.pairs + i, 0}
                       : OctetHolder{grid.pairs + i - grid.rest, 1};
}

// Whether lane l holds octets l and l + lanes: then the sum of a norm folds without moving.
template <RopeLayout kLayout>
RW_HD inline bool HoldsInOrder(const RopeGrid& grid) {
  return kLayout == RopeLayout::kInterleaved ||
         (grid.pairs == grid.lanes && grid.octets == 2 * grid.lanes);
}

}  // namespace rw::gpu
