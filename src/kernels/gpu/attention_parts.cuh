// The parts of a sequence become one: each block leaves what its part gives in scratch, and the
// last of them adds all up in the parts' order.
#pragma once

#include <limits>

#include "kernels/gpu/attention.cuh"

namespace rw::gpu {

// Reads what another block wrote, past the cache of this multiprocessor.
template <class T>
__device__ __forceinline__ T LoadWritten(const T* from) {
#if defined(__HIP_PLATFORM_AMD__)
  return __builtin_nontemporal_load(from);
#else
  return __ldcg(from);
#endif
}
__device__ __forceinline__ Pack<float, 4> LoadWritten(const Pack<float, 4>* from) {
  const float4 x = LoadWritten(reinterpret_cast<const float4*>(from));
  return {{x.x, x.y, x.z, x.w}};
}
__device__ __forceinline__ Pack<float, 1> LoadWritten(const Pack<float, 1>* from) {
  return {{LoadWritten(&from->at[0])}};
}

// Where a part's results for a query head lie.
__device__ __forceinline__ int64_t PartIndex(const AttentionParams& p, int sequence, int part,
                                             int head) {
  return (int64_t{sequence} * p.max_parts + part) * p.hq + head;
}

// Called by all threads of a block after it wrote its part: whether it is the last of `parts`.
__device__ __forceinline__ bool IsLastPart(uint32_t* counter, int parts) {
  __shared__ bool last;
  __syncthreads();  // all of the block wrote
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicAdd(counter, 1u) + 1 == static_cast<uint32_t>(parts);
    if (last) *counter = 0;  // for the next call
    __threadfence();
  }
  __syncthreads();
  return last;
}

// Elements [i, i + kCount) of a query head from all its parts, before v_scale. Exp::Of is the
// exponential of the kernel's scores.
template <class Exp, int kCount>
__device__ __forceinline__ Pack<float, kCount> AddParts(const AttentionParams& p, int sequence,
                                                        int head, int parts, int i) {
  constexpr int kBatch = 8;  // loads under way together
  float max = -std::numeric_limits<float>::infinity();
  float weight = 0;
  Pack<float, kCount> sum{};
  for (int first = 0; first < parts; first += kBatch) {
    float2 stats[kBatch];
    Pack<float, kCount> sums[kBatch];
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      const int64_t at = PartIndex(p, sequence, min(first + j, parts - 1), head);
      stats[j] = {LoadWritten(p.stats + 2 * at), LoadWritten(p.stats + 2 * at + 1)};
      sums[j] = LoadWritten(reinterpret_cast<const Pack<float, kCount>*>(p.sums + at * p.d + i));
    }
    float new_max = max;
#pragma unroll
    for (int j = 0; j < kBatch; ++j) new_max = fmaxf(new_max, stats[j].x);
    const float keep = Exp::Of(max - new_max);
    max = new_max;
    weight *= keep;
#pragma unroll
    for (int e = 0; e < kCount; ++e) sum.at[e] *= keep;
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      if (first + j >= parts) break;
      const float factor = Exp::Of(stats[j].x - max);
      weight = fmaf(factor, stats[j].y, weight);
#pragma unroll
      for (int e = 0; e < kCount; ++e) sum.at[e] = fmaf(factor, sums[j].at[e], sum.at[e]);
    }
  }
#pragma unroll
  for (int e = 0; e < kCount; ++e) sum.at[e] /= weight;
  return sum;
}

}  // namespace rw::gpu
