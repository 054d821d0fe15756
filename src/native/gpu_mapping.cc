#include "native/gpu_mapping.h"

#include <algorithm>
#include <bit>

namespace rw::native {
namespace {

constexpr int64_t kFoldLanes = 32;  // as in kernels/gpu/norm.cuh
constexpr int64_t kMaxLanes = 256;  // there kMaxNormLanes
constexpr int64_t kMostHeld = 8;    // octets of a thread that stay in registers

int64_t OctetsOf(int64_t length) { return (length + kOctet - 1) / kOctet; }

int64_t LanesOf(int64_t width) {
  return std::min(kMaxLanes, static_cast<int64_t>(std::bit_ceil(
                                 static_cast<uint64_t>(std::max<int64_t>(OctetsOf(width), 1)))));
}

// One thread for each octet of the shortest segments and for two of longer ones, which are what
// partial rope leaves alone.
int64_t ThreadsOf(const Part& part) {
  int64_t shortest = OctetsOf(part.width);
  for (const Segment& at : part.segments) shortest = std::min(shortest, OctetsOf(at.length));
  int64_t threads = 1;
  for (const Segment& at : part.segments) {
    const int64_t octets = OctetsOf(at.length);
    threads = std::max(threads, octets > shortest ? (octets + 1) / 2 : octets);
  }
  return threads;
}

bool Sums(const Part& part) {
  return std::ranges::any_of(part.code, [](const Instr& i) { return i.code == Code::kSumSquares; });
}

// Whether octet p of the row is held by thread p % group, and lanes that fall into one thread are
// those which fold first.
bool InOrder(const Part& part, int64_t group, int64_t lanes) {
  if (lanes > kFoldLanes || group > lanes) return false;
  return std::ranges::all_of(part.segments, [&](const Segment& at) {
    return at.stride == 1 && at.length % kOctet == 0 && at.begin % (kOctet * group) == 0;
  });
}

bool IsAccess(const Instr& instr) {
  return instr.code == Code::kLoad || instr.code == Code::kStore || instr.code == Code::kStoreCache;
}

bool InOctets(const Part& part, size_t i) {
  const Segment& at = part.code[i].at;
  if (at.length % kOctet != 0) return false;
  if (at.stride == 1) return at.begin % kOctet == 0;
  return at.begin / 2 * 2 % kOctet == 0 && PartnerOf(part, i) >= 0;
}

}  // namespace

int PartnerOf(const Part& part, size_t instr) {
  const Instr& one = part.code[instr];
  if (one.at.stride != 2 || one.rows == Rows::kPicked) return -1;
  for (size_t i = 0; i < part.code.size(); ++i) {
    const Instr& other = part.code[i];
    const bool same = other.code == one.code && other.port == one.port && other.rows == one.rows &&
                      other.picker == one.picker && other.at.length == one.at.length;
    if (same && other.at.stride == 2 && other.at.begin == (one.at.begin ^ 1)) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

GpuMapping MapPart(const Part& part) {
  GpuMapping map;
  map.whole = part.heads == 1 || part.width % kOctet == 0;
  for (size_t i = 0; i < part.code.size(); ++i) {
    if (IsAccess(part.code[i]) && !InOctets(part, i)) map.whole = false;
  }
  map.group = ThreadsOf(part);
  if (!Sums(part)) return map;
  map.lanes = LanesOf(part.width);
  if (part.segments.size() == 1) {
    map.group = map.lanes;
    const bool held = OctetsOf(part.width) <= kMostHeld * map.lanes;
    map.sums = held ? GpuMapping::Sums::kHeld : GpuMapping::Sums::kLooped;
    return map;
  }
  map.group = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(map.group)));
  map.sums = GpuMapping::Sums::kHeld;
  if (InOrder(part, map.group, map.lanes)) return map;
  map.group = map.lanes;
  map.sums = GpuMapping::Sums::kStaged;
  return map;
}

int64_t GpuMapping::RepsOf(int64_t length) const {
  return sums == Sums::kLooped ? 1 : (OctetsOf(length) + group - 1) / group;
}

bool GpuMapping::Full(int64_t length) const {
  return length % kOctet == 0 && length / kOctet % group == 0;
}

}  // namespace rw::native
