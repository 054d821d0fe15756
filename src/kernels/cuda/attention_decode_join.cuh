// The parts of a sequence become one. The blocks of a cluster, which compute neighbouring parts,
// share out the elements of the result: each sends what it has of an element to the block that adds
// it up. Where a sequence has more parts than a cluster has blocks, what clusters have goes through
// global memory (gpu/attention_parts.cuh).
#pragma once

#include "kernels/cuda/attention_decode.cuh"
#include "kernels/cuda/cluster.cuh"

namespace rw::cuda {

template <class D>  // a Decode
struct Join {
  // An element of the result, the first of four that a thread takes, if there is one.
  struct Place {
    int query, i;
    bool real;
  };
  // What the block got of the elements that it adds up, 32 times four of them a chunk: a row for
  // each block that sends. And the maximum and the weight of each query in each block.
  using Sums = gpu::Pack<float, 4>[32];
  using Stats = gpu::Pack<float, 2>[D::kQueries];

  Stats* stats;
  Sums* sums;
  int rank, blocks;  // of the cluster that have a part
  int fours, count;  // of a query, of all

  // Chunks of so many query heads of d.
  static constexpr int Chunks(int heads, int d) { return (heads * (d / 4) + 31) / 32; }
  static constexpr int SharedBytes(int cluster, int heads, int d) {
    const int most = Chunks(heads, d) + cluster - 1;
    return cluster * static_cast<int>(sizeof(Stats)) + most * static_cast<int>(sizeof(Sums));
  }

  __device__ Join(std::byte* memory, int cluster, int index, int parts, int heads, int d)
      : stats(reinterpret_cast<Stats*>(memory)),
        sums(reinterpret_cast<Sums*>(memory + cluster * sizeof(Stats))),
        rank(index % cluster),
        blocks(min(cluster, parts - (index - rank))),
        fours(d / 4),
        count(heads * fours) {}

  __device__ Place PlaceOf(int chunk) const {
    const int at = chunk * 32 + static_cast<int>(threadIdx.x) % 32;
    return {at / fours, at % fours * 4, at < count};
  }

  // What this block has, from its warps' results, to where it is added up.
  __device__ void Send(const float* results) const {
    const int lane = threadIdx.x % 32;
    for (int chunk = threadIdx.x / 32; chunk * 32 < count; chunk += kDecodeWarps) {
      const Place place = PlaceOf(chunk);
      if (!place.real) continue;
      const Four four = D::AddWarps(results, place.query, place.i);
      StoreInCluster(&sums[chunk / blocks * blocks + rank][lane], chunk % blocks, four.sum);
      for (int block = 0; place.i == 0 && block < blocks; ++block) {
        StoreInCluster(&stats[rank][place.query], block, {four.max, four.weight});
      }
    }
  }
  // Calls fn(place, four) for the elements that this block adds up, when all have sent.
  template <class Fn>
  __device__ void Receive(const Fn& fn) const {
    const int lane = threadIdx.x % 32;
    for (int chunk = static_cast<int>(threadIdx.x) / 32 * blocks + rank; chunk * 32 < count;
         chunk += kDecodeWarps * blocks) {
      const Place place = PlaceOf(chunk);
      if (!place.real) continue;
      const auto load = [&](int i) {
        const auto of_query = stats[i][place.query];
        return Four{of_query.at[0], of_query.at[1], sums[chunk / blocks * blocks + i][lane]};
      };
      fn(place, AddUp<gpu::kJoinedParts>(load, blocks));
    }
  }
};

}  // namespace rw::cuda
