#include "engine/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "kernels/dispatch.h"
#include "kv/pages.h"

namespace rw {
namespace {

constexpr int64_t kLogitBytes = int64_t{256} << 20;  // that one step may give, in float

// Windows that one step may hold parts of.
int64_t MostWindows(int64_t max_tokens, int64_t context) {
  return max_tokens / std::max<int64_t>(context - 1, 1) + 2;
}

// Positions [begin, end) of a window, computed in one step. Row p foresees the token at p + 1, so
// the last token of a window is never computed.
struct Piece {
  size_t window;
  int64_t begin, end;
};
using Pieces = std::vector<Piece>;

int64_t FirstRow(const TextWindow& window) { return window.scored - window.begin - 1; }

int64_t Rows(const TextWindow& window, int64_t begin, int64_t end) {
  return std::max<int64_t>(0, end - std::max(begin, FirstRow(window)));
}

// Whole windows together while a step has room; a window that has no room in an empty step is cut.
std::vector<Pieces> PlanSteps(std::span<const TextWindow> windows, int64_t max_tokens,
                              int64_t max_rows) {
  std::vector<Pieces> steps;
  int64_t tokens = 0, rows = 0;  // left in the last step
  for (size_t i = 0; i < windows.size(); ++i) {
    const TextWindow& window = windows[i];
    const int64_t length = window.end - window.begin - 1;
    for (int64_t at = 0; at < length;) {
      int64_t end = length;
      if (end - at > tokens || Rows(window, at, end) > rows) {
        steps.emplace_back();
        tokens = max_tokens, rows = max_rows;
        end = std::min(end, at + tokens);
        if (Rows(window, at, end) > rows) end = std::max(at, FirstRow(window)) + rows;
      }
      steps.back().push_back({i, at, end});
      tokens -= end - at, rows -= Rows(window, at, end);
      at = end;
    }
  }
  return steps;
}

// Each window's pages are its own while a step holds part of it.
Batch Lay(const Pieces& step, std::span<const int32_t> tokens, std::span<const TextWindow> windows,
          const ModelRunner& model) {
  const int64_t context = model.options().max_model_len;
  const auto slots = static_cast<size_t>(MostWindows(model.options().max_batch_tokens, context));
  RW_CHECK(step.size() <= slots);
  Batch batch;
  std::vector<int32_t> pages(static_cast<size_t>(PagesFor(context)));
  for (const auto& [index, begin, end] : step) {
    const TextWindow& window = windows[index];
    std::iota(pages.begin(), pages.end(), static_cast<int32_t>(index % slots * pages.size()));
    const auto first_row = static_cast<int32_t>(batch.num_tokens() - begin);  // of the window
    batch.Add(
        tokens.subspan(static_cast<size_t>(window.begin + begin), static_cast<size_t>(end - begin)),
        begin, model.rope().RowOffset(window.end - window.begin), pages,
        /*wants_logits=*/false);
    for (int64_t row = std::max(begin, FirstRow(window)); row < end; ++row) {
      batch.logit_rows.push_back(first_row + static_cast<int32_t>(row));
    }
  }
  batch.Finish();
  return batch;
}

// log(sum(exp(x))) - x[token], in double; NaN or infinite if a logit is.
template <class T>
double Nll(std::span<const T> logits, int32_t token) {
  float largest = ToFloat(logits[0]);
  for (const T x : logits) largest = std::max(largest, ToFloat(x));
  double sum = 0;
  for (const T x : logits) sum += std::exp(static_cast<double>(ToFloat(x)) - largest);
  return std::log(sum) + largest - ToFloat(logits[static_cast<size_t>(token)]);
}

// Of row i of the logits and scores[i].token.
void FillNlls(const TensorView& logits, std::span<TokenScore> scores, ThreadPool& pool) {
  WithFloatType(logits.dtype, [&]<class T>(T) {
    pool.ParallelFor(logits.rows(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        TokenScore& score = scores[static_cast<size_t>(row)];
        score.nll = Nll(std::span<const T>(logits.row<T>(row), logits.width()), score.token);
      }
    });
  });
}

}  // namespace

std::vector<TextWindow> CutWindows(int64_t tokens, int64_t context, int64_t stride) {
  RW_CHECK(context >= 2 && stride >= 1 && stride <= context);
  std::vector<TextWindow> windows;
  int64_t scored = 1;  // the first token that is not yet
  for (int64_t begin = 0; scored < tokens; begin += stride) {
    const int64_t end = std::min(begin + context, tokens);
    scored = std::max(scored, begin + 1);
    if (scored < end) windows.push_back({begin, end, scored});
    scored = std::max(scored, end);
  }
  return windows;
}

ModelOptions ScoringOptions(ModelOptions options, const ModelConfig& config, int64_t context) {
  const int64_t slots = MostWindows(options.max_batch_tokens, context);
  const int64_t rows = kLogitBytes / (config.vocab_size * static_cast<int64_t>(sizeof(float)));
  options.max_model_len = context;
  options.max_sequences =
      std::clamp<int64_t>(rows, slots, std::max(slots, options.max_batch_tokens));
  options.kv_tokens = slots * PagesFor(context) * kPageSize;
  return options;
}

std::vector<TokenScore> ScoredTokens(std::span<const int32_t> tokens,
                                     std::span<const TextWindow> windows) {
  std::vector<TokenScore> scores;
  for (const TextWindow& window : windows) {
    for (int64_t i = window.scored; i < window.end; ++i) {
      scores.push_back({tokens[static_cast<size_t>(i)], 0});
    }
  }
  return scores;
}

Status ScoreTokens(ModelRunner& model, std::span<const int32_t> tokens,
                   std::span<const TextWindow> windows, std::span<TokenScore> scores,
                   ThreadPool& pool,
                   const std::function<void(uint64_t done, uint64_t total)>& progress) {
  size_t done = 0;
  const ModelOptions& options = model.options();
  for (const Pieces& step : PlanSteps(windows, options.max_batch_tokens, options.max_sequences)) {
    const Batch batch = Lay(step, tokens, windows, model);
    RW_ASSIGN(const StepOutputs outputs, model.Forward(batch, pool));
    if (batch.logit_rows.empty()) continue;
    RW_ASSIGN(const TensorView logits, model.ToHost(outputs.logits));
    const std::span<TokenScore> part = scores.subspan(done, static_cast<size_t>(logits.rows()));
    FillNlls(logits, part, pool);
    for (const TokenScore& score : part) {
      if (!std::isfinite(score.nll)) return Err("the model gave no finite logits");
    }
    done += part.size();
    if (progress) progress(done, scores.size());
  }
  RW_CHECK(done == scores.size());
  return {};
}

Mean::Mean(std::span<const double> numbers) {
  const auto n = static_cast<double>(numbers.size());
  if (numbers.empty()) return;
  mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / n;
  if (numbers.size() < 2) return;
  double squares = 0;
  for (const double x : numbers) squares += (x - mean) * (x - mean);
  error = std::sqrt(squares / (n - 1) / n);
}

ExpMean::ExpMean(const Mean& mean) : value(std::exp(mean.mean)), error(value * mean.error) {}

}  // namespace rw
