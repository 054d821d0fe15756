// How the threads of a GPU divide the rows of a part.
//
// Work is in octets, eight elements of a segment. A row belongs to a group of threads: thread t has
// octets t, t + group, ... of every segment, so that elements which are computed from each other
// (the halves that rope pairs up) meet in one thread and each is loaded once.
#pragma once

#include <cstdint>
#include <vector>

#include "native/program.h"

namespace rw::native {

inline constexpr int64_t kOctet = 8;

struct GpuMapping {
  int64_t group = 1;  // threads of a row; with sums a power of two
  // Whether accesses of whole octets are possible at all; memory has to be aligned for them too.
  bool whole = true;

  // The sum of squares has the lanes of kernels/gpu/norm.cuh.
  enum class Sums : uint8_t {
    kNone,
    kHeld,    // each lane's octets lie in one thread and stay there until the sum is known
    kLooped,  // the same, but they are so many that they are loaded again
    kStaged,  // octets of segments are no octets of the row: the row goes through shared memory
  };
  Sums sums = Sums::kNone;
  int64_t lanes = 1;

  // Octets of a segment that a thread may have; kLooped: at a time.
  int64_t RepsOf(int64_t length) const;
  // Whether every thread has that many whole ones.
  bool Full(int64_t length) const;
};

GpuMapping MapPart(const Part& part);

// The load or store that moves the elements between those of an instruction of stride 2: the even
// ones and the odd ones are moved together. -1: there is none.
int PartnerOf(const Part& part, size_t instr);

}  // namespace rw::native
