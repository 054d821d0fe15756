// Random weights: the numbers of the host, on the GPU.
#include "kernels/gpu/fill.h"

#include "base/random_fill.h"
#include "kernels/gpu/testing.h"

namespace rw {
namespace {

class GpuFill : public testing::GpuTest {};

TEST_F(GpuFill, RunsCodeOfThisBuild) { testing::ExpectSuccess(gpu::ProbeCode()); }

TEST_F(GpuFill, EqualsTheHosts) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t count : {1, 2, 3, 5, 1000, 300001}) {
      const testing::Tensor x(dtype, {count, 1}), expected(dtype, {count, 1});
      RandomFill(dtype, expected.view().data, count, 7);
      testing::Mirror mirror;
      mirror.Cover(x, true);
      mirror.Allocate();
      mirror.Upload();
      gpu::RandomFill(testing::DeviceQueue().stream, mirror(x), 7);
      testing::ExpectSuccess(gpuGetLastError());
      mirror.Download();
      testing::ExpectSame(x, expected);
      EXPECT_FALSE(x.AnyNan());
    }
  }
}

}  // namespace
}  // namespace rw
