#include "plan/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "plan/platform.h"

namespace rw {
namespace {

using ::testing::HasSubstr;

Options Ask(const std::vector<std::string>& arguments) {
  Options options;
  for (const std::string& argument : arguments) {
    const Status applied = ApplyCompilationConfig(argument, options);
    EXPECT_TRUE(applied) << applied.error().message;
  }
  return options;
}

std::string ErrorOf(const std::string& argument) {
  Options options;
  const Status applied = ApplyCompilationConfig(argument, options);
  EXPECT_EQ(options, Options()) << "an error changes nothing";
  return applied ? "" : applied.error().message;
}

TEST(Options, EntriesJsonAndFilesSayTheSame) {
  const std::string json =
      R"({"mode": 3, "custom_ops": ["none", "+rms_norm"], "compile_sizes": [1, 8],
          "pass_config": {"fuse_rope_kvcache": true, "sp_min_token_num": 64, "enable_sp": null}})";
  const std::string path = ::testing::TempDir() + "/rw_options_test.json";
  std::ofstream(path) << json;
  const Options expected =
      Ask({"mode=VLLM_COMPILE", "custom_ops+=none", "custom_ops+=+rms_norm", "compile_sizes=[1,8]",
           "pass_config.fuse_rope_kvcache=True", "sp_min_token_num=64"});
  EXPECT_EQ(Ask({json}), expected);
  EXPECT_EQ(Ask({path}), expected);
  std::remove(path.c_str());
}

TEST(Options, LaterWinsAndListsGrow) {
  const Options options = Ask({"fuse_act_mul=true", "fuse_act_mul=false", "custom_ops=all",
                               "custom_ops+=-rms_norm", "splitting_ops=[]"});
  EXPECT_FALSE(*options.Get<bool>(Knob::kFuseActMul));
  EXPECT_EQ(*options.Get<Names>(Knob::kCustomOps), (Names{"all", "-rms_norm"}));
  EXPECT_TRUE(options.Get<Names>(Knob::kSplittingOps)->empty());
  EXPECT_FALSE(options.Asked(Knob::kMode));
}

TEST(Options, AMisspeltNameIsAnErrorWithTheNearest) {
  EXPECT_THAT(ErrorOf("pass_config.fuse_rope_kvcach=true"), HasSubstr("fuse_rope_kvcache"));
  EXPECT_THAT(ErrorOf("custom_ops+=+rotary_embeding"), HasSubstr("+rotary_embedding"));
  EXPECT_THAT(ErrorOf("splitting_ops=[vllm::unified_atention_with_output]"),
              HasSubstr("unified_attention"));
  EXPECT_THAT(ErrorOf(R"({"cudagraph_mod": "FULL"})"), HasSubstr("cudagraph_mode"));
  EXPECT_THAT(ErrorOf("backend=inductor"), HasSubstr("no torch.compile"));
}

TEST(Options, AWrongValueIsAnErrorThatSaysWhatIsRight) {
  EXPECT_THAT(ErrorOf("cudagraph_mode=WHOLE"), HasSubstr("FULL_AND_PIECEWISE"));
  EXPECT_THAT(ErrorOf("fuse_act_mul=maybe"), HasSubstr("true or false"));
  EXPECT_THAT(ErrorOf("compile_sizes=[1,-2]"), HasSubstr("1 or more"));
  EXPECT_THAT(ErrorOf("max_cudagraph_capture_size=99999999999999999999"),
              HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf("mode+=NONE"), HasSubstr("appends to a list"));
  EXPECT_THAT(ErrorOf(R"({"pass_config": 3})"), HasSubstr("pass_config"));
  EXPECT_THAT(ErrorOf(R"({"custom_ops": "+rms_norm,+silu_and_mul"})"), HasSubstr("array of names"));
  EXPECT_THAT(ErrorOf("{"), HasSubstr("JSON"));
  EXPECT_THAT(ErrorOf("no/such/file.json"), HasSubstr("no/such/file.json"));
}

TEST(Platforms, AreReadBack) {
  for (const char* name : {"cpu:x86-64,avx2,avx512", "cpu:aarch64,neon", "cuda:sm90,flashinfer",
                           "cuda:sm100", "rocm:gfx950,aiter"}) {
    const auto platform = ParsePlatform(name);
    ASSERT_TRUE(platform) << platform.error().message;
    EXPECT_EQ(ToString(*platform), name);
  }
  EXPECT_EQ(*ParsePlatform("cpu"), ThisMachine());
  EXPECT_EQ(ParsePlatform("cuda:sm103")->compute_capability(), 103);
  for (const char* name :
       {"", "cuda", "cuda:", "cuda:sm99", "rocm:gfx950,flashinfer", "tpu:v5", "cuda:flashinfer"}) {
    EXPECT_FALSE(ParsePlatform(name)) << name;
  }
}

TEST(Tables, AreInOrder) {
  for (const KnobDef& def : Knobs()) {
    EXPECT_EQ(&Def(def.knob), &def);
    EXPECT_EQ(*FindKnob(def.name), def.knob);
  }
}

}  // namespace
}  // namespace rw
