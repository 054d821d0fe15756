// What the engine promises whatever the model: the same bits alone, batched, in chunks, preempted
// and at any number of threads.
#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "kv/kv_cache.h"
#include "model/checkpoint.h"

namespace rw {
namespace {

using testing::HasSubstr;

ModelRunner LoadGolden(const std::string& name, const ModelOptions& options) {
  const std::string dir = std::string(RW_SOURCE_DIR "/tests/golden/models/") + name;
  auto config = LoadModelConfig(dir);
  EXPECT_TRUE(config) << config.error().message;
  auto checkpoint = Checkpoint::Open(dir);
  EXPECT_TRUE(checkpoint) << checkpoint.error().message;
  ThreadPool pool(2);
  auto model = ModelRunner::Create(*std::move(config), CheckpointWeights(*std::move(checkpoint)),
                                   options, pool);
  EXPECT_TRUE(model) << model.error().message;
  return *std::move(model);
}

std::vector<int32_t> RandomTokens(std::mt19937& random, size_t count) {
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 256);
  return tokens;
}

struct Case {
  std::string model;
  DType dtype;
  std::string_view provider;
};

class SameBits : public testing::TestWithParam<Case> {
 protected:
  ModelOptions Options() const {
    return {.dtype = GetParam().dtype,
            .kv_dtype = GetParam().dtype,
            .max_model_len = 128,
            .max_batch_tokens = 256,
            .max_sequences = 256,
            .kv_tokens = 1024,
            .providers = {GetParam().provider, "reference"}};
  }

  // Logits of every token of each sequence, all run together, `chunk` tokens of each in a step.
  // Pages are dealt out in the given order, so that a sequence's lie apart.
  std::vector<std::string> Logits(const std::vector<std::vector<int32_t>>& sequences, size_t chunk,
                                  int threads) {
    ModelRunner model = LoadGolden(GetParam().model, Options());
    ThreadPool pool(threads);
    std::vector<int32_t> pages(static_cast<size_t>(model.kv_pages()));
    std::iota(pages.rbegin(), pages.rend(), 0);
    std::vector<std::string> logits(sequences.size());
    for (size_t begin = 0; begin < 128; begin += chunk) {
      Batch batch;
      std::vector<size_t> owner;
      for (size_t i = 0; i < sequences.size(); ++i) {
        if (begin >= sequences[i].size()) continue;
        std::vector<int32_t> own;  // every sequences.size()-th page, from i on
        for (size_t p = i; p < pages.size(); p += sequences.size()) own.push_back(pages[p]);
        const size_t count = std::min(chunk, sequences[i].size() - begin);
        batch.Add(std::span(sequences[i]).subspan(begin, count), static_cast<int64_t>(begin), 0,
                  own, false);
        owner.insert(owner.end(), count, i);
      }
      if (owner.empty()) break;
      batch.logit_rows.resize(owner.size());
      std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
      batch.Finish();
      const TensorView view = model.Forward(batch, pool)->logits;
      const auto row_bytes = static_cast<size_t>(view.width()) * SizeOf(view.dtype);
      for (size_t row = 0; row < owner.size(); ++row) {
        logits[owner[row]].append(reinterpret_cast<const char*>(view.data) + row * row_bytes,
                                  row_bytes);
      }
    }
    return logits;
  }
};

TEST_P(SameBits, AloneBatchedChunkedAndThreaded) {
  std::mt19937 random(11);
  std::vector<std::vector<int32_t>> sequences;
  for (const size_t size : {1, 5, 16, 17, 40, 71}) {
    sequences.push_back(RandomTokens(random, size));
  }
  const std::vector<std::string> whole = Logits(sequences, 128, 1);
  for (size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_EQ(Logits({sequences[i]}, 128, 1)[0] == whole[i], true) << "sequence " << i << " alone";
  }
  for (const size_t chunk : {1, 7, 16, 33}) {
    EXPECT_EQ(Logits(sequences, chunk, 1) == whole, true) << "chunks of " << chunk;
  }
  for (const int threads : {2, 8}) {
    EXPECT_EQ(Logits(sequences, 128, threads) == whole, true) << threads << " threads";
    EXPECT_EQ(Logits(sequences, 7, threads) == whole, true) << threads << " threads, chunks";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, SameBits,
    testing::Values(Case{"llama", DType::kF32, "simd"}, Case{"llama", DType::kBF16, "simd"},
                    Case{"llama", DType::kF32, "reference"}, Case{"mistral", DType::kF32, "simd"},
                    Case{"gemma2", DType::kF32, "simd"}, Case{"gemma2", DType::kBF16, "simd"},
                    Case{"phi3", DType::kF32, "simd"}, Case{"olmo2", DType::kF32, "simd"},
                    Case{"qwen3", DType::kF32, "simd"}),
    [](const auto& info) {
      return info.param.model + "_" + std::string(Name(info.param.dtype)) + "_" +
             std::string(info.param.provider);
    });

std::map<SequenceId, std::vector<int32_t>> Drain(Engine& engine) {
  std::map<SequenceId, std::vector<int32_t>> tokens;
  while (!engine.idle()) {
    const std::vector<StepOutput> outputs = *engine.Step();
    for (const StepOutput& output : outputs) tokens[output.id].push_back(output.sampled.token);
  }
  return tokens;
}

// With room for little more than one sequence, the others are preempted and computed again.
TEST(Engine, PreemptionChangesNothing) {
  const auto generate = [](int64_t kv_tokens, int64_t& preemptions) {
    ModelOptions options{.max_model_len = 128, .max_batch_tokens = 32, .kv_tokens = kv_tokens};
    ThreadPool pool(2);
    Engine engine(LoadGolden("llama", options), pool);
    std::mt19937 random(5);
    for (int i = 0; i < 6; ++i) {
      Request request{RandomTokens(random, 20 + random() % 40), {}};
      request.sampling = {
          .temperature = 0.8, .seed = 100 + i, .max_tokens = 40, .ignore_eos = true};
      EXPECT_TRUE(engine.Submit(std::move(request)));
    }
    const std::vector<int32_t> at_start = engine.scheduler().pool().FreePages();
    auto tokens = Drain(engine);
    preemptions = engine.scheduler().preemptions();
    EXPECT_EQ(engine.scheduler().pool().FreePages(), at_start);
    return tokens;
  };
  int64_t roomy = 0;
  int64_t tight = 0;
  const auto expected = generate(2048, roomy);
  EXPECT_EQ(roomy, 0);
  EXPECT_EQ(generate(128, tight), expected);
  EXPECT_GT(tight, 0);
  for (const auto& [id, tokens] : expected) EXPECT_EQ(tokens.size(), 40u);
}

// Asked for logprobs, the host chooses from the logits; else the model's last op does.
TEST(Engine, HostAndDeviceChooseTheSameTokens) {
  const auto generate = [](DType dtype, std::string_view provider, int64_t logprobs,
                           int64_t max_sequences) {
    ThreadPool pool(2);
    const ModelOptions options{.dtype = dtype,
                               .max_model_len = 128,
                               .max_sequences = max_sequences,
                               .providers = {provider, "reference"}};
    Engine engine(LoadGolden("llama", options), pool);
    const SamplingParams kinds[] = {{.temperature = 0},
                                    {.temperature = 1.3},
                                    {.temperature = 2, .top_k = 20},
                                    {.temperature = 1.5, .top_p = 0.8},
                                    {.temperature = 3, .min_p = 0.2},
                                    {.temperature = 2, .top_k = 50, .top_p = 0.9, .min_p = 0.01}};
    std::mt19937 random(9);
    for (SamplingParams sampling : kinds) {
      sampling.seed = 7;
      sampling.max_tokens = 30;
      sampling.ignore_eos = true;
      sampling.logprobs = logprobs;
      EXPECT_TRUE(engine.Submit({RandomTokens(random, 12), sampling}));
    }
    return Drain(engine);
  };
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const auto expected = generate(dtype, "simd", 0, 64);
    ASSERT_EQ(expected.size(), 6u);
    EXPECT_EQ(generate(dtype, "simd", 1, 64), expected);
    EXPECT_EQ(generate(dtype, "simd", 0, 1), expected);  // each alone
    const std::set<int32_t> sampled(expected.at(1).begin(), expected.at(1).end());
    EXPECT_GT(sampled.size(), 5u);
  }
  EXPECT_EQ(generate(DType::kF32, "reference", 0, 64), generate(DType::kF32, "reference", 1, 64));
}

TEST(Engine, RefusesWhatItCannotServe) {
  ThreadPool pool(1);
  Engine engine(LoadGolden("llama", {.max_model_len = 64, .kv_tokens = 32}), pool);
  const auto error = [&](std::vector<int32_t> prompt, SamplingParams sampling) {
    const auto id = engine.Submit({std::move(prompt), std::move(sampling)});
    return id ? "" : id.error().message;
  };
  EXPECT_THAT(error({}, {}), HasSubstr("at least one token"));
  EXPECT_THAT(error({256}, {}), HasSubstr("vocab_size 256, found 256"));
  EXPECT_THAT(error({-1}, {}), HasSubstr("found -1"));
  EXPECT_THAT(error(std::vector<int32_t>(64, 1), {}), HasSubstr("fewer than 64"));
  EXPECT_THAT(error({1}, {.top_p = 2}), HasSubstr("top-p"));
  EXPECT_THAT(error({1}, {.max_tokens = 60}), HasSubstr("lower max-tokens or raise kv-tokens"));
  EXPECT_THAT(error(std::vector<int32_t>(40, 1), {}), HasSubstr("lower max-tokens"));
  EXPECT_EQ(error({1}, {}), "");
  EXPECT_EQ(error({1}, {.max_tokens = 31}), "");
}

TEST(Engine, CancelFreesPagesAndLeavesOthersAlone) {
  ThreadPool pool(1);
  std::mt19937 random(3);
  const std::vector<int32_t> a = RandomTokens(random, 30);
  const std::vector<int32_t> b = RandomTokens(random, 25);
  const SamplingParams sampling{.max_tokens = 20, .ignore_eos = true};
  Engine alone(LoadGolden("llama", {.max_model_len = 128}), pool);
  const SequenceId only = *alone.Submit({a, sampling});
  const std::vector<int32_t> expected = Drain(alone)[only];

  Engine engine(LoadGolden("llama", {.max_model_len = 128}), pool);
  const std::vector<int32_t> at_start = engine.scheduler().pool().FreePages();
  const SequenceId kept = *engine.Submit({a, sampling});
  const SequenceId cancelled = *engine.Submit({b, sampling});
  std::vector<int32_t> tokens;
  for (int step = 0; !engine.idle(); ++step) {
    if (step == 4) engine.Cancel(cancelled);
    const std::vector<StepOutput> outputs = *engine.Step();
    for (const StepOutput& output : outputs) {
      if (output.id == kept) tokens.push_back(output.sampled.token);
      EXPECT_FALSE(step >= 4 && output.id == cancelled);
    }
  }
  EXPECT_EQ(tokens, expected);
  EXPECT_EQ(engine.scheduler().pool().FreePages(), at_start);
}

}  // namespace
}  // namespace rw
