#include "engine/perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "kv/kv_cache.h"
#include "model/checkpoint.h"

namespace rw {
namespace {

using ::testing::ElementsAre;

TEST(Perplexity, WindowsScoreEveryTokenButTheFirstOnce) {
  EXPECT_THAT(CutWindows(10, 4, 2), ElementsAre(TextWindow{0, 4, 1}, TextWindow{2, 6, 4},
                                                TextWindow{4, 8, 6}, TextWindow{6, 10, 8}));
  EXPECT_THAT(CutWindows(9, 4, 3),
              ElementsAre(TextWindow{0, 4, 1}, TextWindow{3, 7, 4}, TextWindow{6, 9, 7}));
  EXPECT_THAT(CutWindows(3, 4, 2), ElementsAre(TextWindow{0, 3, 1}));
  // Apart, the first token of each stands without context.
  EXPECT_THAT(CutWindows(9, 4, 4), ElementsAre(TextWindow{0, 4, 1}, TextWindow{4, 8, 5}));
  EXPECT_TRUE(CutWindows(1, 4, 2).empty());
  for (int64_t tokens = 0; tokens < 40; ++tokens) {
    for (int64_t context = 2; context < 12; ++context) {
      for (int64_t stride = 1; stride < context; ++stride) {
        int64_t next = 1;
        for (const TextWindow& window : CutWindows(tokens, context, stride)) {
          EXPECT_EQ(window.scored, next);
          EXPECT_LE(window.end - window.begin, context);
          EXPECT_TRUE(window.begin == 0 || window.scored - window.begin >= context - stride);
          next = window.end;
        }
        EXPECT_EQ(next, std::max<int64_t>(tokens, 1));
      }
    }
  }
}

TEST(Perplexity, MeansAndTheirErrors) {
  const Mean mean(std::vector<double>{1, 2, 3, 6});
  EXPECT_DOUBLE_EQ(mean.mean, 3);
  EXPECT_DOUBLE_EQ(mean.error, std::sqrt(14.0 / 3 / 4));
  const ExpMean perplexity(mean);
  EXPECT_DOUBLE_EQ(perplexity.value, std::exp(3.0));
  EXPECT_DOUBLE_EQ(perplexity.error, std::exp(3.0) * mean.error);
  EXPECT_EQ(Mean(std::vector<double>{5}).error, 0);
}

class PerplexityOfAModel : public ::testing::Test {
 protected:
  static constexpr int64_t kContext = 24, kStride = 10;

  void SetUp() override {
    const std::string dir = RW_SOURCE_DIR "/tests/golden/models/llama";
    auto config = LoadModelConfig(dir);
    ASSERT_TRUE(config) << config.error().message;
    auto checkpoint = Checkpoint::Open(dir);
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    config_ = *std::move(config);
    weights_ = CheckpointWeights(*std::move(checkpoint));
    std::mt19937 random(5);
    for (int i = 0; i < 75; ++i) {
      tokens_.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(config_.vocab_size)));
    }
    windows_ = CutWindows(static_cast<int64_t>(tokens_.size()), kContext, kStride);
  }

  std::vector<double> Nlls(int64_t max_batch_tokens, int64_t max_rows, int threads) const {
    ThreadPool pool(threads);
    ModelOptions options;
    options.max_batch_tokens = max_batch_tokens;
    options = ScoringOptions(options, config_, kContext);
    if (max_rows > 0) options.max_sequences = max_rows;
    auto model = ModelRunner::Create(config_, weights_, options, pool);
    EXPECT_TRUE(model) << model.error().message;
    std::vector<TokenScore> scores = ScoredTokens(tokens_, windows_);
    uint64_t heard = 0;
    const Status status = ScoreTokens(*model, tokens_, windows_, scores, pool,
                                      [&](uint64_t done, uint64_t) { heard = done; });
    EXPECT_TRUE(status) << status.error().message;
    EXPECT_EQ(heard, scores.size());
    std::vector<double> nlls;
    for (const TokenScore& score : scores) nlls.push_back(score.nll);
    return nlls;
  }

  // Each window alone and whole, log-softmax written out.
  std::vector<double> Expected() const {
    ThreadPool pool(1);
    ModelOptions options;
    options.max_model_len = options.max_sequences = options.kv_tokens = kContext;
    auto model = ModelRunner::Create(config_, weights_, options, pool);
    EXPECT_TRUE(model) << model.error().message;
    std::vector<double> nlls;
    std::vector<int32_t> pages((kContext + kPageSize - 1) / kPageSize);
    std::iota(pages.begin(), pages.end(), 0);
    for (const TextWindow& window : windows_) {
      const auto part = std::span(tokens_).subspan(window.begin, window.end - window.begin);
      Batch batch;
      batch.Add(part, 0, 0, pages, false);
      batch.logit_rows.resize(part.size());
      std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
      batch.Finish();
      const auto outputs = model->Forward(batch, pool);
      EXPECT_TRUE(outputs) << outputs.error().message;
      for (int64_t i = window.scored; i < window.end; ++i) {
        const float* logits = outputs->logits.row<float>(i - window.begin - 1);
        double sum = 0;
        for (int64_t v = 0; v < config_.vocab_size; ++v) sum += std::exp(double{logits[v]});
        nlls.push_back(std::log(sum) - logits[tokens_[static_cast<size_t>(i)]]);
      }
    }
    return nlls;
  }

  ModelConfig config_;
  std::shared_ptr<const Weights> weights_;
  std::vector<int32_t> tokens_;
  std::vector<TextWindow> windows_;
};

TEST_F(PerplexityOfAModel, IsTheLogSoftmaxOfItsLogits) {
  const std::vector<double> expected = Expected();
  const std::vector<double> nlls = Nlls(64, 0, 1);
  ASSERT_EQ(nlls.size(), tokens_.size() - 1);
  ASSERT_EQ(nlls.size(), expected.size());
  for (size_t i = 0; i < nlls.size(); ++i) EXPECT_NEAR(nlls[i], expected[i], 1e-9) << i;
  EXPECT_NEAR(ExpMean(Mean(nlls)).value, ExpMean(Mean(expected)).value, 1e-9);
}

// Windows cut into chunks, several in a step, few rows of logits in each, more threads.
TEST_F(PerplexityOfAModel, IsTheSameBitsHoweverItIsBatched) {
  const std::vector<double> expected = Nlls(512, 0, 1);
  for (const int64_t tokens : {1, 7, 23, 24, 60, 100}) {
    EXPECT_EQ(Nlls(tokens, 0, 2), expected) << tokens;
  }
  EXPECT_EQ(Nlls(60, 10, 2), expected);
  EXPECT_EQ(Nlls(23, 3, 2), expected);
}

TEST_F(PerplexityOfAModel, LogitsThatAreNotFiniteAreAnError) {
  class Broken final : public Weights {
   public:
    explicit Broken(const Weights& weights) : weights_(weights) {}
    Result<DType> TypeOf(const std::string& name, std::span<const int64_t> dims) const override {
      return weights_.TypeOf(name, dims);
    }
    Result<TensorView> Get(const std::string& name, std::span<const int64_t> dims) const override {
      RW_ASSIGN(TensorView view, weights_.Get(name, dims));
      if (name != "model.norm.weight") return view;
      values_.assign(static_cast<size_t>(view.size()) * SizeOf(view.dtype),
                     std::byte{0xff});  // NaN
      view.data = values_.data();
      return view;
    }

   private:
    const Weights& weights_;
    mutable std::vector<std::byte> values_;
  };
  ThreadPool pool(1);
  auto model = ModelRunner::Create(config_, std::make_shared<const Broken>(*weights_),
                                   ScoringOptions({}, config_, kContext), pool);
  ASSERT_TRUE(model) << model.error().message;
  std::vector<TokenScore> scores = ScoredTokens(tokens_, windows_);
  const Status status = ScoreTokens(*model, tokens_, windows_, scores, pool);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, ::testing::HasSubstr("no finite logits"));
}

}  // namespace
}  // namespace rw
