#include "kernels/cpu/simd/work.h"

#include <array>
#include <cstdlib>
#include <memory>

#include "base/check.h"

namespace rw::simd {
namespace {

struct Free {
  void operator()(float* p) const { std::free(p); }
};
struct Buffer {
  std::unique_ptr<float, Free> data;
  int64_t count = 0;
};
constexpr int64_t kAlignment = 64;  // a cache line, and the widest vector

}  // namespace

float* ScratchFloats(Scratch slot, int64_t count) {
  thread_local std::array<Buffer, 2> buffers;
  Buffer& buffer = buffers[static_cast<size_t>(slot)];
  if (buffer.count < count) {
    const int64_t bytes = (count * 4 + kAlignment - 1) / kAlignment * kAlignment;
    buffer.data.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
    RW_CHECK(buffer.data != nullptr, "no {} bytes of scratch memory", bytes);
    buffer.count = bytes / 4;
  }
  return buffer.data.get();
}

}  // namespace rw::simd
