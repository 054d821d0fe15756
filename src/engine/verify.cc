#include "engine/verify.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "kv/kv_cache.h"

namespace rw {
namespace {

std::vector<float> Floats(const TensorView& view) {
  std::vector<float> out;
  out.reserve(static_cast<size_t>(view.size()));
  for (int64_t row = 0; row < view.rows(); ++row) {
    for (int64_t i = 0; i < view.width(); ++i) {
      switch (view.dtype) {
        case DType::kF32:
          out.push_back(view.row<float>(row)[i]);
          break;
        case DType::kBF16:
          out.push_back(ToFloat(view.row<BF16>(row)[i]));
          break;
        case DType::kF16:
          out.push_back(ToFloat(view.row<F16>(row)[i]));
          break;
        case DType::kI32:
          out.push_back(static_cast<float>(view.row<int32_t>(row)[i]));
          break;
        case DType::kF8E4M3:
          out.push_back(ToFloat(view.row<F8E4M3>(row)[i]));
          break;
        default:
          RW_CHECK(false, "a result of type {}", Name(view.dtype));
      }
    }
  }
  return out;
}

// max |a - b| / max |b|; NaN if any a is NaN.
double RelativeError(std::span<const float> found, std::span<const float> recorded) {
  double difference = 0;
  double magnitude = 0;
  for (size_t i = 0; i < recorded.size(); ++i) {
    const double d = std::abs(static_cast<double>(found[i]) - recorded[i]);
    if (!(d <= difference)) difference = d;
    magnitude = std::max(magnitude, std::abs(static_cast<double>(recorded[i])));
  }
  return magnitude > 0 ? difference / magnitude : difference;
}

struct Golden {
  std::vector<std::vector<int32_t>> sequences;
  std::vector<std::vector<float>> hidden;
  std::vector<float> logits;
  std::vector<float> logits_bf16;
  std::vector<int32_t> greedy_prompt;
  std::vector<int32_t> greedy_tokens;
  std::vector<float> greedy_margin;
};

Result<std::vector<int32_t>> Ids(const SafetensorsFile& file, std::string_view name,
                                 int64_t vocab) {
  RW_ASSIGN(const TensorView view, file.Find(name));
  if (view.dtype != DType::kI32) return Err("{}: {}: expected I32", file.name(), name);
  const std::span<const int32_t> ids = view.flat<int32_t>();
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab) {
      return Err("{}: {}: expected ids below the vocab_size {}, found {}", file.name(), name, vocab,
                 id);
    }
  }
  return std::vector<int32_t>(ids.begin(), ids.end());
}

Result<std::vector<float>> Numbers(const SafetensorsFile& file, const std::string& name,
                                   int64_t size) {
  RW_ASSIGN(const TensorView view, file.Find(name));
  if (view.size() != size) {
    return Err("{}: {}: expected {} elements for this model, found {}", file.name(), name, size,
               view.size());
  }
  return Floats(view);
}

Result<Golden> ReadGolden(const SafetensorsFile& file, const ModelConfig& config) {
  Golden golden;
  RW_ASSIGN(const TensorView ids, file.Find("input_ids"));
  if (ids.rank != 2) return Err("{}: input_ids: expected [sequences, tokens]", file.name());
  RW_ASSIGN(const std::vector<int32_t> flat, Ids(file, "input_ids", config.vocab_size));
  for (int64_t i = 0; i < ids.dims[0]; ++i) {
    golden.sequences.emplace_back(flat.begin() + i * ids.dims[1],
                                  flat.begin() + (i + 1) * ids.dims[1]);
  }
  for (int64_t i = 0; i <= config.num_layers; ++i) {
    RW_ASSIGN(auto hidden,
              Numbers(file, fmt::format("hidden.{}", i), ids.size() * config.hidden_size));
    golden.hidden.push_back(std::move(hidden));
  }
  RW_ASSIGN(golden.logits, Numbers(file, "logits", ids.size() * config.vocab_size));
  RW_ASSIGN(golden.logits_bf16, Numbers(file, "logits_bf16", ids.size() * config.vocab_size));
  RW_ASSIGN(golden.greedy_prompt, Ids(file, "greedy_prompt", config.vocab_size));
  RW_ASSIGN(golden.greedy_tokens, Ids(file, "greedy_tokens", config.vocab_size));
  RW_ASSIGN(golden.greedy_margin,
            Numbers(file, "greedy_margin", static_cast<int64_t>(golden.greedy_tokens.size())));
  return golden;
}

std::vector<int32_t> Pages(int64_t first, int64_t tokens) {
  std::vector<int32_t> pages(static_cast<size_t>((tokens + kPageSize - 1) / kPageSize));
  std::iota(pages.begin(), pages.end(), static_cast<int32_t>(first));
  return pages;
}

// All sequences in one step, whole, with logits and hidden states of every token.
Result<std::vector<std::vector<float>>> RunWhole(const ModelConfig& config,
                                                 std::shared_ptr<const Weights> weights,
                                                 const Golden& golden, ModelOptions options,
                                                 ThreadPool& pool) {
  const auto count = static_cast<int64_t>(golden.sequences.size());
  const auto length = static_cast<int64_t>(golden.sequences[0].size());
  const auto pages = static_cast<int64_t>(Pages(0, length).size());
  options.hidden_states = true;
  options.max_model_len = length;
  options.max_batch_tokens = options.max_sequences = count * length;
  options.kv_tokens = count * pages * kPageSize;
  RW_ASSIGN(ModelRunner model, ModelRunner::Create(config, std::move(weights), options, pool));
  Batch batch;
  for (int64_t i = 0; i < count; ++i) {
    batch.Add(golden.sequences[static_cast<size_t>(i)], 0, model.rope().RowOffset(length),
              Pages(i * pages, length), /*wants_logits=*/false);
  }
  batch.logit_rows.resize(static_cast<size_t>(count * length));
  std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
  batch.Finish();
  RW_ASSIGN(const StepOutputs step, model.Forward(batch, pool));
  std::vector<TensorView> views = step.hidden;
  views.insert(views.begin(), step.logits);
  std::vector<std::vector<float>> outputs;
  for (const TensorView& view : views) {
    RW_ASSIGN(const TensorView host, model.ToHost(view));
    outputs.push_back(Floats(host));
  }
  return outputs;
}

// The recorded continuation, fed token by token; counts the steps where another token comes first.
Status RunGreedy(const ModelConfig& config, std::shared_ptr<const Weights> weights,
                 const Golden& golden, ModelOptions options, double slack, ThreadPool& pool,
                 VerifyReport& report) {
  std::vector<int32_t> tokens = golden.greedy_prompt;
  const auto length = static_cast<int64_t>(tokens.size() + golden.greedy_tokens.size());
  options.max_model_len = options.max_batch_tokens = length;
  options.max_sequences = 1;
  options.kv_tokens = length;
  RW_ASSIGN(ModelRunner model, ModelRunner::Create(config, std::move(weights), options, pool));
  const std::vector<int32_t> pages = Pages(0, length);
  int64_t computed = 0;
  for (size_t step = 0; step < golden.greedy_tokens.size(); ++step) {
    Batch batch;
    batch.Add(std::span<const int32_t>(tokens).subspan(static_cast<size_t>(computed)), computed,
              model.rope().RowOffset(length), pages, /*wants_logits=*/true);
    batch.Finish();
    computed = static_cast<int64_t>(tokens.size());
    RW_ASSIGN(const StepOutputs outputs, model.Forward(batch, pool));
    RW_ASSIGN(const TensorView row, model.ToHost(outputs.logits));
    const std::vector<float> logits = Floats(row);
    const auto best = std::max_element(logits.begin(), logits.end());
    ++report.greedy_steps;
    if (best - logits.begin() != golden.greedy_tokens[step]) {
      const double allowed = slack * std::abs(static_cast<double>(*best));
      ++(golden.greedy_margin[step] > allowed ? report.greedy_wrong : report.greedy_close);
    }
    tokens.push_back(golden.greedy_tokens[step]);
  }
  return {};
}

}  // namespace

bool VerifyReport::ok() const {
  return greedy_wrong == 0 &&
         std::all_of(tensors.begin(), tensors.end(), [](const Comparison& c) { return c.ok(); });
}

namespace {

Result<VerifyReport> VerifyWith(const ModelConfig& config, std::shared_ptr<const Weights> weights,
                                const Golden& golden, const VerifyOptions& options,
                                DType rope_frequencies, ThreadPool& pool) {
  ModelOptions model = options.model;
  model.rope_frequencies = rope_frequencies;
  RW_ASSIGN(const auto outputs, RunWhole(config, weights, golden, model, pool));
  const bool exact = model.dtype == DType::kF32;
  double slack = options.tolerance;
  if (!exact) slack = std::max(slack, 2 * RelativeError(golden.logits_bf16, golden.logits));
  VerifyReport report;
  report.rope_frequencies = rope_frequencies;
  for (size_t i = 0; exact && i < golden.hidden.size(); ++i) {
    report.tensors.push_back(
        {fmt::format("hidden.{}", i), RelativeError(outputs[i + 1], golden.hidden[i]), slack});
  }
  report.tensors.push_back({"logits", RelativeError(outputs[0], golden.logits), slack});
  RW_TRY(RunGreedy(config, std::move(weights), golden, model, slack, pool, report));
  return report;
}

// Which precision of the rope frequencies comes closer to the recording, in float32 arithmetic.
Result<DType> CloserRope(const ModelConfig& config, const std::shared_ptr<const Weights>& weights,
                         const Golden& golden, const VerifyOptions& options, ThreadPool& pool) {
  DType closer = DType::kF32;
  double least = std::numeric_limits<double>::infinity();
  for (const DType rope : {DType::kF32, DType::kBF16}) {
    ModelOptions model = options.model;
    model.dtype = model.kv_dtype = DType::kF32;
    model.rope_frequencies = rope;
    RW_ASSIGN(const auto outputs, RunWhole(config, weights, golden, model, pool));
    const double error = RelativeError(outputs[0], golden.logits);
    if (error < least) least = error, closer = rope;
  }
  return closer;
}

}  // namespace

Result<VerifyReport> VerifyModel(const ModelConfig& config, std::shared_ptr<const Weights> weights,
                                 const SafetensorsFile& file, const VerifyOptions& options,
                                 ThreadPool& pool) {
  RW_ASSIGN(const Golden golden, ReadGolden(file, config));
  const auto verify = [&](DType rope_frequencies) {
    return VerifyWith(config, weights, golden, options, rope_frequencies, pool);
  };
  if (options.rope_frequencies) return verify(*options.rope_frequencies);
  RW_ASSIGN(const DType closer, CloserRope(config, weights, golden, options, pool));
  return verify(closer);
}

}  // namespace rw
