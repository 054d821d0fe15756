// How well a model foresees a text: the negative log-likelihood of each of its tokens, in nats, and
// what their mean is worth.
//
// The text is cut into overlapping windows as transformers does ("Perplexity of fixed-length
// models", strided): one begins every `stride` tokens, and scores what none before it scored. So
// every token but the first is scored once, in a context of at least context - stride tokens where
// the text has them. With a stride of `context` windows do not overlap, and the first token of each
// is not scored.
//
//   perplexity = exp(mean nll)
//   its standard error = perplexity * s / sqrt(n)      (delta method)
//
// with s the standard deviation of the n nlls. Nlls of two settings on the same tokens are paired:
// the mean of their differences has a far smaller error than the two means. Both errors take tokens
// as independent, which within one text they are not quite.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/model_runner.h"

namespace rw {

// Tokens [begin, end) of the text, of which those from `scored` on are scored; begin < scored.
struct TextWindow {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t scored = 0;
  bool operator==(const TextWindow&) const = default;
};
// 2 <= context, 1 <= stride <= context.
std::vector<TextWindow> CutWindows(int64_t tokens, int64_t context, int64_t stride);

// The options with sizes for scoring windows of up to `context` tokens.
ModelOptions ScoringOptions(ModelOptions options, const ModelConfig& config, int64_t context);

struct TokenScore {
  int32_t token = 0;
  double nll = 0;
};
// The tokens that the windows score, in order, still without their nll.
std::vector<TokenScore> ScoredTokens(std::span<const int32_t> tokens,
                                     std::span<const TextWindow> windows);
// Fills in the nlls of all of them; progress hears how many are done. `model` was made with
// ScoringOptions for such windows. An error if a logit is not finite or the device failed.
Status ScoreTokens(ModelRunner& model, std::span<const int32_t> tokens,
                   std::span<const TextWindow> windows, std::span<TokenScore> scores,
                   ThreadPool& pool,
                   const std::function<void(uint64_t done, uint64_t total)>& progress = {});

// A mean with its standard error (0 for fewer than two numbers).
struct Mean {
  double mean = 0;
  double error = 0;
  explicit Mean(std::span<const double> numbers);
};

// exp of a mean with the error that follows.
struct ExpMean {
  double value = 0;
  double error = 0;
  explicit ExpMean(const Mean& mean);
};

}  // namespace rw
