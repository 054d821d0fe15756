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
  int level = kDefaultLevel;
};

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, ReproducesTheRecording) {
  const bool shipped = GetParam().model == "tales_5m";
  const std::string dir =
      std::string(RW_SOURCE_DIR) +
      (shipped ? "/models/tales-5m" : "/tests/golden/models/" + GetParam().model);
  const std::string recording = shipped ? RW_SOURCE_DIR "/tests/golden/tales-5m.golden.safetensors"
                                        : dir + "/golden.safetensors";
  const auto config = LoadModelConfig(dir);
  ASSERT_TRUE(config) << config.error().message;
  auto checkpoint = Checkpoint::Open(dir);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  const auto golden = SafetensorsFile::Open(recording);
  ASSERT_TRUE(golden) << golden.error().message;
  VerifyOptions options;
  options.model.dtype = options.model.kv_dtype = GetParam().dtype;
  options.model.providers = {GetParam().provider, "reference"};
  options.model.plan.level = GetParam().level;
  ThreadPool pool(2);
  const auto report =
      VerifyModel(*config, CheckpointWeights(*std::move(checkpoint)), *golden, options, pool);
  ASSERT_TRUE(report) << report.error().message;
  for (const Comparison& c : report->tensors) {
    EXPECT_TRUE(c.ok()) << c.name << ": error " << c.error << ", allowed " << c.allowed;
  }
  EXPECT_EQ(report->greedy_wrong, 0);
  const bool exact_recording =
      shipped || GetParam().model == "llama_dynamic" || GetParam().model == "phi3_longrope";
  EXPECT_EQ(report->rope_frequencies, exact_recording ? DType::kF32 : DType::kBF16);
  EXPECT_GT(report->greedy_steps, 0);
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Under the sanitizers the shipped model, which is larger than the others and has no code of its
// own, runs once.
bool Skipped(const Case& c) {
  return kSanitized && c.model == "tales_5m" &&
         (c.provider == "reference" || c.dtype != DType::kF32 || c.level != kDefaultLevel);
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const char* model : {"llama", "llama3_scaled", "llama_linear", "llama_yarn", "llama_bias",
                            "llama_dynamic", "mistral", "qwen2", "qwen3", "phi3", "phi3_longrope",
                            "gemma2", "olmo2", "granite", "tales_5m"}) {
    for (const std::string_view provider : {"simd", "reference"}) {
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        cases.push_back({model, dtype, provider});
      }
    }
    for (const int level : {0, 1, 3}) cases.push_back({model, DType::kF32, "simd", level});
  }
  std::erase_if(cases, Skipped);
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::ValuesIn(AllCases()), [](const auto& info) {
  return info.param.model + "_" + std::string(Name(info.param.dtype)) + "_" +
         std::string(info.param.provider) + "_O" + std::to_string(info.param.level);
});

}  // namespace
}  // namespace rw
