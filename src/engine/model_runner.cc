#include "engine/model_runner.h"

#include <algorithm>
#include <fstream>

#include "base/check.h"
#include "import/import.h"

namespace rw {
namespace {

TensorView IndexView(const std::vector<int32_t>& values, std::initializer_list<int64_t> dims) {
  return TensorView::Contiguous(const_cast<int32_t*>(values.data()), DType::kI32, dims);
}

int64_t PagesFor(int64_t tokens) { return (tokens + kPageSize - 1) / kPageSize; }

int64_t BytesPerPage(const ModelConfig& config, DType kv_dtype) {
  return 2 * config.num_layers * config.num_kv_heads * kPageSize * config.head_dim *
         static_cast<int64_t>(SizeOf(kv_dtype));
}

// Zeros in the options become numbers.
Result<ModelOptions> Resolve(const ModelConfig& config, ModelOptions options) {
  if (options.max_model_len == 0) options.max_model_len = config.max_position_embeddings;
  if (options.max_model_len < 1 || options.max_batch_tokens < 1 || options.max_sequences < 1) {
    return Err(
        "expected at least 1 for max-model-len, max-batch-tokens and max-sequences, found {}, {} "
        "and {}",
        options.max_model_len, options.max_batch_tokens, options.max_sequences);
  }
  if (options.kv_tokens == 0) {
    const int64_t wanted = options.max_sequences * PagesFor(options.max_model_len);
    const int64_t budget = AvailableMemory() / 2 / BytesPerPage(config, options.kv_dtype);
    options.kv_tokens = std::max<int64_t>(std::min(wanted, budget), 1) * kPageSize;
  }
  return options;
}

// The weights that an executable asks for, in its order.
Result<std::vector<TensorView>> Bind(const Executable& executable, const Weights& weights) {
  std::vector<TensorView> views;
  for (const TensorPort& port : executable.weights) {
    std::vector<int64_t> dims;
    for (const Extent& extent : port.dims) dims.push_back(extent.value);
    RW_ASSIGN(const TensorView view, weights.Get(port.name, dims));
    views.push_back(view);
  }
  return views;
}

}  // namespace

CompileRequest RequestFor(const ModelConfig& config, const ModelOptions& options) {
  return {.facts = {.platform = ThisMachine(),
                    .hidden_size = config.hidden_size,
                    .dtype = options.dtype,
                    .max_num_batched_tokens = options.max_batch_tokens,
                    .max_num_seqs = options.max_sequences},
          .options = options.plan,
          .providers = options.providers,
          .limits = {{"r", options.max_sequences}}};
}

int64_t AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  int64_t kilobytes = 0;
  std::string unit;
  while (file >> key >> kilobytes >> unit) {
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  return 0;
}

ModelRunner::ModelRunner(ModelConfig config, ModelOptions options,
                         std::shared_ptr<const Weights> weights, Compiled compiled,
                         std::vector<Runner> runners, RopeTable rope)
    : config_(std::move(config)),
      options_(std::move(options)),
      weights_(std::move(weights)),
      compiled_(std::move(compiled)),
      runners_(std::move(runners)),
      rope_(std::move(rope)) {}

Result<ModelRunner> ModelRunner::Create(ModelConfig config, std::shared_ptr<const Weights> weights,
                                        const ModelOptions& asked) {
  RW_ASSIGN(ModelOptions options, Resolve(config, asked));
  const WeightLookup lookup = [&](const std::string& name, std::span<const int64_t> dims) {
    return weights->TypeOf(name, dims);
  };
  RW_ASSIGN(const Graph graph,
            ImportModel(config, lookup, {options.dtype, options.kv_dtype, options.hidden_states}));
  RW_ASSIGN(Compiled compiled, Compile(graph, RequestFor(config, options)));
  std::vector<Runner> runners;
  for (Program& program : compiled.programs) {
    RW_ASSIGN(std::vector<TensorView> views, Bind(program.executable, *weights));
    RW_ASSIGN(Runner runner, Runner::Create(std::move(program.executable), std::move(views)));
    runners.push_back(std::move(runner));
  }
  RW_ASSIGN(RopeTable rope,
            BuildRopeTable(config, options.max_model_len, options.rope_frequencies));
  ModelRunner model(std::move(config), std::move(options), std::move(weights), std::move(compiled),
                    std::move(runners), std::move(rope));
  RW_TRY(model.ReserveKv());
  return model;
}

Result<ModelRunner> ModelRunner::With(const Options& plan) const {
  ModelOptions options = options_;
  options.plan = plan;
  return Create(config_, weights_, options);
}

// [layer][k or v][page][kv head][token][head dim]: a head's tokens of a page lie together, so that
// attention streams them.
Status ModelRunner::ReserveKv() {
  kv_pages_ = PagesFor(options_.kv_tokens);
  const int64_t element = static_cast<int64_t>(SizeOf(options_.kv_dtype));
  const int64_t page_stride = config_.num_kv_heads * kPageSize * config_.head_dim;
  int64_t bytes = 0;
  if (__builtin_mul_overflow(kv_pages_, BytesPerPage(config_, options_.kv_dtype), &bytes)) {
    return Err("a KV cache of {} tokens is too large; lower --kv-tokens", options_.kv_tokens);
  }
  RW_ASSIGN(kv_memory_, LazyMemory::Reserve(bytes, "the KV cache; lower --kv-tokens"));
  std::byte* at = kv_memory_.data();
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    KvLayerView view{.dtype = options_.kv_dtype,
                     .pages = kv_pages_,
                     .heads = config_.num_kv_heads,
                     .head_dim = config_.head_dim,
                     .page_stride = page_stride,
                     .head_stride = kPageSize * config_.head_dim,
                     .token_stride = config_.head_dim};
    view.k = std::exchange(at, at + kv_pages_ * page_stride * element);
    view.v = std::exchange(at, at + kv_pages_ * page_stride * element);
    kv_.push_back(view);
  }
  return {};
}

std::vector<TensorView> ModelRunner::Forward(const Batch& batch, ThreadPool& pool) {
  const int64_t n = batch.num_tokens();
  const int64_t s = batch.num_sequences();
  const auto r = static_cast<int64_t>(batch.logit_rows.size());
  rope_.Fill(*std::max_element(batch.lengths.begin(), batch.lengths.end()));
  const std::vector<TensorView> inputs = {
      IndexView(batch.tokens, {n}),     IndexView(batch.positions, {n}),
      IndexView(batch.slots, {n}),      IndexView(batch.query_start, {s + 1}),
      IndexView(batch.lengths, {s}),    IndexView(batch.block_table, {s, batch.pages_per_row}),
      IndexView(batch.logit_rows, {r}), rope_.View(),
  };
  return runners_[compiled_.IndexFor(n)].Run({inputs, kv_}, pool);
}

}  // namespace rw
