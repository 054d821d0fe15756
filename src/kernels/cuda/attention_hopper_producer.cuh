// The warp of a block of Hopper attention that takes tasks and brings their keys and values into
// shared memory: a lane a page of the cache, which the copy engine puts where a tile wants it.
#pragma once

#include "kernels/cuda/attention_hopper.cuh"

namespace rw::cuda {

template <class P>  // a Hopper
struct HopperProducer {
  using Stages = decltype(P::Shared::keys);

  // One tile of keys or of values: lane i of P::kPages brings page `page`, zeros if that is
  // p.pages.
  __device__ static void CopyTile(const CUtensorMap& map, Stages& ring, int i, uint32_t to,
                                  int kv_head, int page) {
    const int lane = threadIdx.x % 32;
    ring.WaitEmpty(i);
    if (lane == 0) ArriveExpecting(ring.Full(i), P::kStageBytes);
    __syncwarp();
    if (lane < P::kPages) {
#pragma unroll
      for (int column = 0; column < P::kColumns; ++column) {
        CopyBox(to + column * P::kKeyTile + lane * gpu::kPageRows * kSwizzleBytes, map,
                ring.Full(i), column * P::kTileElements, 0, kv_head, page);
      }
    }
    __syncwarp();
  }

  // The keys and values of a task, as tiles number `done` and on. Pages that no row looks at come
  // as zeros.
  __device__ static void CopyTiles(const AttentionParams& p, const CUtensorMap& k,
                                   const CUtensorMap& v, const PrefillTask& task,
                                   typename P::Shared& shared, uint32_t memory, int done) {
    const int lane = threadIdx.x % 32;
    const typename P::Walk walk(task);
    const auto page_at = [&](int tile) {
      const int position = walk.begin + tile * P::kKeys + lane * gpu::kPageRows;
      const bool looked_at =
          lane < P::kPages && position < task.end && position + gpu::kPageRows > task.begin;
      const int page = looked_at ? gpu::PageAt(p, task.table, position / gpu::kPageRows) : -1;
      return page < 0 ? p.pages : page;
    };
    int next = page_at(0);
    for (int i = 0; i < walk.tiles; ++i) {
      const int page = next;
      if (i + 1 < walk.tiles) next = page_at(i + 1);
      CopyTile(k, shared.keys, done + i, P::KeysAt(memory, done + i), task.kv_head, page);
      CopyTile(v, shared.values, done + i, P::ValuesAt(memory, done + i), task.kv_head, page);
    }
  }

  // One warp: takes tasks, the longest first, and brings what they need. It takes the next one when
  // all of a task is on its way and no sooner, or a block with a long one would take a second while
  // others have none.
  __device__ static void Produce(const AttentionParams& p, const CUtensorMap& k,
                                 const CUtensorMap& v, typename P::Shared& shared, uint32_t memory,
                                 int tiles) {
    const int heads = p.hq / p.group;
    const int last = tiles * heads;
    int done = 0, tasks = 0;
    for (int ticket = blockIdx.x; ticket < last; ticket = TakeTicket(p.counters, last)) {
      const PrefillTask task = FindTask(p, P::kRows, tiles - 1 - ticket / heads, ticket % heads);
      if (task.rows == 0) continue;
      Publish(shared, tasks++, task);
      CopyTiles(p, k, v, task, shared, memory, done);
      done += typename P::Walk(task).tiles;
    }
    Publish(shared, tasks, {});
  }

  __device__ static void Publish(typename P::Shared& shared, int number, const PrefillTask& task) {
    shared.tasks.WaitEmpty(number);
    if (threadIdx.x % 32 == 0) {
      shared.task[number % P::kTasks] = task;
      Arrive(shared.tasks.Full(number));
    }
    __syncwarp();
  }

  // gridDim.x and on, over all blocks, each of which takes them until it gets one of `last` or
  // more. So `last` of them are taken in all, and the last one leaves the counter at 0 again.
  __device__ static int TakeTicket(uint32_t* counter, int last) {
    int taken = 0;
    if (threadIdx.x % 32 == 0) {
      taken = static_cast<int>(atomicAdd(counter, 1u));
      if (taken == last - 1) *counter = 0;
    }
    return static_cast<int>(gridDim.x) + __shfl_sync(0xffffffffu, taken, 0);
  }
};

}  // namespace rw::cuda
