// Generated code as NVRTC makes it, without a GPU. kernels/gpu/native_test.cc runs it on one.
#include "kernels/cuda/native.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/nvrtc.h"
#include "native/gpu_source.h"
#include "native/testing.h"

namespace rw::cuda {
namespace {

using ::testing::HasSubstr;

class Nvrtc : public ::testing::TestWithParam<std::string_view> {};

TEST_P(Nvrtc, CompilesEveryProgram) {
  for (const native::testing::Named& named : native::testing::AllPrograms()) {
    SCOPED_TRACE(named.name);
    const auto code = CompileSource(native::WriteGpuSource(named.program).text, GetParam());
    ASSERT_TRUE(code.has_value()) << code.error().message;
    EXPECT_THAT(code->substr(0, 4), HasSubstr("ELF"));
  }
}
INSTANTIATE_TEST_SUITE_P(Architectures, Nvrtc, ::testing::Values("sm_80", "sm_90", "sm_100"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Nvrtc, SaysWhatIsWrongInOneLine) {
  const auto bad = CompileSource("__global__ void f() { nothing(); }", "sm_90");
  ASSERT_FALSE(bad.has_value());
  EXPECT_THAT(bad.error().message, HasSubstr("generated code for sm_90"));
  EXPECT_THAT(bad.error().message, HasSubstr("\"nothing\" is undefined"));
  EXPECT_EQ(bad.error().message.find('\n'), std::string::npos);
  EXPECT_FALSE(CompileSource("", "sm_1").has_value());
}

TEST(Nvrtc, KeysNameCompilerAndArchitecture) {
  EXPECT_NE(CompilerKey("sm_80"), CompilerKey("sm_90"));
  EXPECT_THAT(CompilerKey("sm_90"), HasSubstr("nvrtc 1"));
  EXPECT_THAT(CompilerKey("sm_90"), HasSubstr("--fmad=false"));
}

}  // namespace
}  // namespace rw::cuda
