// Places blocks of memory in one arena so that blocks alive at the same time do not overlap.
#pragma once

#include <cstdint>
#include <vector>

namespace rw {

struct Block {
  int64_t bytes;
  int first;           // step that writes it
  int last;            // last step that reads it, >= first
  int64_t offset = 0;  // result
};

// Sets each block's offset, a multiple of kArenaAlignment, and returns the arena's size. Large
// blocks are placed first, each at the lowest offset that is free through its life ("greedy by
// size").
inline constexpr int64_t kArenaAlignment = 64;
int64_t PlaceBlocks(std::vector<Block>& blocks);

}  // namespace rw
