// What a launch of generated code is told. The text of the code has the same definitions: both are
// made of the tokens that stand here, so only built-in types appear.
#pragma once

namespace rw::native {

#define RW_SAME_TEXT(name, ...) \
  __VA_ARGS__                   \
  inline constexpr char name[] = #__VA_ARGS__;

// clang-format off
RW_SAME_TEXT(kGpuParamsText,
struct GpuPort {
  void* data;
  long long stride;
  int rows;
};
struct GpuCache {
  void* plane[2];
  const float* scale[2];
  long long page_stride, token_stride, head_stride;
  int slots;
};
struct GpuLaunch {
  GpuCache cache;
  unsigned rows[8];
  unsigned first[8];
};
)
// clang-format on
// GpuPort: `stride` elements lie between the beginnings of rows.
// GpuCache: keys, then values; scales of each head or null; strides in elements.
// GpuLaunch: of each part the rows it walks and its first block.

inline constexpr int kMaxGpuParts = 8;
inline constexpr int kMaxGpuPorts = 64;

// The kernel's only parameter. Its text has as many ports as the program, Program::in and then
// Program::out, so a launch copies no more than those.
struct GpuParams {
  GpuLaunch launch;
  GpuPort port[kMaxGpuPorts];
};
static_assert(sizeof(GpuParams) <= 4096, "more than a kernel takes");

}  // namespace rw::native
