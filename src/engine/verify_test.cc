// Every dense model against its recording, with every provider of kernels.
#include "engine/verify.h"

#include <gtest/gtest.h>

#include "model/checkpoint.h"

namespace rw {
namespace {

struct Case {
  std::string model;
  DType dtype;
  std::string_view provider;
};

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, ReproducesTheRecording) {
  const std::string dir = std::string(RW_SOURCE_DIR "/tests/golden/models/") + GetParam().model;
  const auto config = LoadModelConfig(dir);
  ASSERT_TRUE(config) << config.error().message;
  auto checkpoint = Checkpoint::Open(dir);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  const auto golden = SafetensorsFile::Open(dir + "/golden.safetensors");
  ASSERT_TRUE(golden) << golden.error().message;
  VerifyOptions options;
  options.model.dtype = options.model.kv_dtype = GetParam().dtype;
  options.model.providers = {GetParam().provider, "reference"};
  ThreadPool pool(2);
  const auto report =
      VerifyModel(*config, CheckpointWeights(*std::move(checkpoint)), *golden, options, pool);
  ASSERT_TRUE(report) << report.error().message;
  for (const Comparison& c : report->tensors) {
    EXPECT_TRUE(c.ok()) << c.name << ": error " << c.error << ", allowed " << c.allowed;
  }
  EXPECT_EQ(report->greedy_wrong, 0);
  EXPECT_GT(report->greedy_steps, 0);
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const char* model :
       {"llama", "llama3_scaled", "llama_linear", "llama_yarn", "llama_bias", "llama_dynamic",
        "mistral", "qwen2", "qwen3", "phi3", "phi3_longrope", "gemma2", "olmo2", "granite"}) {
    for (const std::string_view provider : {"simd", "reference"}) {
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        cases.push_back({model, dtype, provider});
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::ValuesIn(AllCases()), [](const auto& info) {
  return info.param.model + "_" + std::string(Name(info.param.dtype)) + "_" +
         std::string(info.param.provider);
});

}  // namespace
}  // namespace rw
