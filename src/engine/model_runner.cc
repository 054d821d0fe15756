#include "engine/model_runner.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "engine/kv_scales.h"
#include "import/import.h"
#include "kv/pages.h"

namespace rw {
namespace {

int64_t BytesPerPage(const ModelConfig& config, DType kv_dtype) {
  return 2 * config.num_layers * config.num_kv_heads * kPageSize * config.head_dim *
         static_cast<int64_t>(SizeOf(kv_dtype));
}

Result<ModelOptions> Resolve(const ModelConfig& config, ModelOptions options) {
  if (options.max_model_len == 0) options.max_model_len = config.max_position_embeddings;
  if (options.max_model_len < 1 || options.max_batch_tokens < 1 || options.max_sequences < 1) {
    return Err(
        "expected at least 1 for max-model-len, max-batch-tokens and max-sequences, found {}, {} "
        "and {}",
        options.max_model_len, options.max_batch_tokens, options.max_sequences);
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

Platform PlatformOf(const ComputeDevice& device) {
  if (device.kind() == Device::kCpu) return ThisMachine();
  return {device.kind(), device.arch(), {}};
}

}  // namespace

CompileRequest RequestFor(const ModelConfig& config, const ModelOptions& options) {
  const bool cpu = options.device->kind() == Device::kCpu;
  return {.facts = {.platform = PlatformOf(*options.device),
                    .device_name = cpu ? "" : options.device->name(),
                    .hidden_size = config.hidden_size,
                    .intermediate_size = config.intermediate_size,
                    .head_dim = config.head_dim,
                    .num_q_heads = config.num_q_heads,
                    .num_kv_heads = config.num_kv_heads,
                    .dtype = options.dtype,
                    .kv_dtype = options.kv_dtype,
                    .kv_layout = options.kv_layout,
                    .max_num_batched_tokens = options.max_batch_tokens,
                    .max_num_seqs = options.max_sequences,
                    .evidence = options.evidence},
          .options = options.plan,
          .providers = options.providers,
          .limits = {{"r", options.max_sequences}}};
}

Result<ModelRunner> ModelRunner::Create(ModelConfig config, std::shared_ptr<const Weights> weights,
                                        const ModelOptions& asked, ThreadPool& pool,
                                        const LoadProgress& progress) {
  RW_ASSIGN(ModelOptions options, Resolve(config, asked));
  const WeightLookup lookup = [&](const std::string& name, std::span<const int64_t> dims) {
    return weights->TypeOf(name, dims);
  };
  RW_ASSIGN(const Graph graph,
            ImportModel(config, lookup, {options.dtype, options.kv_dtype, options.hidden_states}));
  RW_ASSIGN(Compiled compiled, Compile(graph, RequestFor(config, options)));
  RW_ASSIGN(RopeTable rope,
            BuildRopeTable(config, options.max_model_len, options.rope_frequencies));
  ModelRunner model(std::move(config), std::move(options), std::move(weights), std::move(compiled),
                    std::move(rope));
  RW_TRY(model.MakeRunners(progress));
  RW_TRY(model.device().Prepare({model.options_.max_sequences, model.config_.num_q_heads,
                                 model.config_.head_dim, model.options_.max_model_len}));
  RW_TRY(model.ReserveInputs());
  RW_TRY(model.ReserveKv());
  RW_TRY(model.SetKvScales(pool));
  RW_TRY(model.Capture(pool, progress));
  return model;
}

Result<ModelRunner> ModelRunner::With(const Options& plan, ThreadPool& pool) const {
  ModelOptions options = options_;
  options.plan = plan;
  return Create(config_, weights_, options, pool);
}

// Programs never run at the same time, so one arena serves them all.
Status ModelRunner::MakeRunners(const LoadProgress& progress) {
  int64_t arena_bytes = 0;
  std::vector<std::vector<TensorView>> weights;
  for (const Program& program : compiled_.programs) {
    arena_bytes = std::max(arena_bytes, program.executable.arena_bytes);
    RW_ASSIGN(std::vector<TensorView> views, Bind(program.executable, *weights_));
    weights.push_back(std::move(views));
  }
  RW_TRY(device().Finish());
  if (progress) progress("compiling", 0, 0);
  std::vector<const native::Program*> native;
  for (const Program& program : compiled_.programs) {
    const std::vector<const native::Program*> more = program.executable.Programs();
    native.insert(native.end(), more.begin(), more.end());
  }
  RW_TRY(device().Build(native));
  RW_ASSIGN(const DeviceMemory arena,
            device().Reserve(arena_bytes, "intermediate results; lower --max-num-batched-tokens"));
  for (size_t i = 0; i < weights.size(); ++i) {
    runners_.emplace_back(options_.device, std::move(compiled_.programs[i].executable),
                          std::move(weights[i]), arena);
  }
  return {};
}

Status ModelRunner::ReserveInputs() {
  const int64_t rows = options_.max_sequences;
  RW_ASSIGN(inputs_, StepInputs::Create(options_.device,
                                        {options_.max_batch_tokens, options_.max_sequences, rows},
                                        options_.max_model_len));
  RW_ASSIGN(tokens_, device().ReserveHost(rows * static_cast<int64_t>(sizeof(int32_t))));
  if (device().kind() == Device::kCpu) return {};
  RW_ASSIGN(rope_memory_, device().Reserve(rope_.rows() * rope_.rotary_dim() *
                                               static_cast<int64_t>(sizeof(float)),
                                           "the rope table; lower --max-model-len"));
  return {};
}

// [layer][k or v][page], a page in the order of the layout.
Status ModelRunner::ReserveKv() {
  const int64_t page_bytes = BytesPerPage(config_, options_.kv_dtype);
  if (options_.kv_tokens == 0) {
    const int64_t wanted = options_.max_sequences * PagesFor(options_.max_model_len);
    const auto budget = static_cast<int64_t>(static_cast<double>(device().AvailableBytes()) *
                                             options_.memory_share) /
                        page_bytes;
    options_.kv_tokens = std::max<int64_t>(std::min(wanted, budget), 1) * kPageSize;
  }
  kv_pages_ = PagesFor(options_.kv_tokens);
  int64_t bytes = 0;
  if (__builtin_mul_overflow(kv_pages_, page_bytes, &bytes)) {
    return Err("a KV cache of {} tokens is too large; lower --kv-tokens", options_.kv_tokens);
  }
  RW_ASSIGN(kv_memory_, device().Reserve(bytes, "the KV cache; lower --kv-tokens"));
  const int64_t heads = config_.num_kv_heads;
  const int64_t d = config_.head_dim;
  const bool hnd = options_.kv_layout == KvLayout::kHnd;
  const int64_t plane =
      kv_pages_ * heads * kPageSize * d * static_cast<int64_t>(SizeOf(options_.kv_dtype));
  std::byte* at = kv_memory_.data;
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    KvLayerView view{.dtype = options_.kv_dtype,
                     .pages = kv_pages_,
                     .heads = heads,
                     .head_dim = d,
                     .page_stride = heads * kPageSize * d,
                     .head_stride = hnd ? kPageSize * d : d,
                     .token_stride = hnd ? d : heads * d};
    view.k = std::exchange(at, at + plane);
    view.v = std::exchange(at, at + plane);
    kv_.push_back(view);
  }
  return {};
}

// Of an fp8 cache, where the checkpoint has some: [k or v][layer][head].
Status ModelRunner::SetKvScales(ThreadPool& pool) {
  if (options_.kv_dtype != DType::kF8E4M3) return {};
  const int64_t heads = config_.num_kv_heads;
  RW_ASSIGN(KvScales scales, ReadKvScales(*weights_, config_.num_layers, heads));
  if (scales.k.empty()) return {};
  const size_t count = scales.k.size();
  scales.k.insert(scales.k.end(), scales.v.begin(), scales.v.end());
  const auto bytes = static_cast<int64_t>(scales.k.size() * sizeof(float));
  RW_ASSIGN(kv_scales_, device().Reserve(bytes, "the scales of the KV cache"));
  device().Upload(kv_scales_.data, reinterpret_cast<const std::byte*>(scales.k.data()), bytes,
                  pool);
  const auto* k = reinterpret_cast<const float*>(kv_scales_.data);
  for (KvLayerView& view : kv_) {
    view.k_scale = k;
    view.v_scale = k + count;
    k += heads;
  }
  return device().Finish();
}

Status ModelRunner::Capture(ThreadPool& pool, const LoadProgress& progress) {
  const CudagraphMode mode = plan().cudagraph_mode();
  if (mode == CudagraphMode::kNone) return {};
  // A recorded step reads whatever rows of the table a later batch asks for.
  FillRope(options_.max_model_len, pool);
  const Batch padding;
  const CaptureRequest request{
      .mode = mode,
      .sizes = plan().Get<Sizes>(Knob::kCudagraphCaptureSizes),
      .max_sequences = options_.max_sequences,
      .max_model_len = options_.max_model_len,
      .runner = [this](int64_t tokens) -> const Runner& { return RunnerFor(tokens); },
      .frame =
          [&](const Runner& runner, const StepShape& shape) {
            inputs_.Put(padding, shape);
            return FrameOf(runner, shape);
          }};
  const auto heard = [&](uint64_t done, uint64_t total) {
    if (progress) progress("capturing", done, total);
  };
  RW_ASSIGN(captured_, CapturedSteps::Record(device(), request, pool, heard));
  return {};
}

void ModelRunner::FillRope(int64_t positions, ThreadPool& pool) {
  rope_.Fill(positions);
  if (rope_memory_.data == nullptr || positions <= rope_filled_) return;
  const TensorView view = rope_.View();
  const int64_t row_bytes = rope_.rotary_dim() * static_cast<int64_t>(sizeof(float));
  const int64_t block = rope_.block_rows();
  for (int64_t first = 0; first < rope_.rows(); first += block) {
    const int64_t at = (first + rope_filled_) * row_bytes;
    device().Upload(rope_memory_.data + at, view.data + at, (positions - rope_filled_) * row_bytes,
                    pool);
  }
  rope_filled_ = positions;
}

Runner::Frame ModelRunner::FrameOf(const Runner& runner, const StepShape& shape) const {
  RunInputs inputs{inputs_.Views(shape), kv_};
  TensorView rope = rope_.View();
  if (rope_memory_.data != nullptr) rope.data = rope_memory_.data;
  inputs.inputs.push_back(rope);
  return runner.Bind(std::move(inputs));
}

Result<StepOutputs> ModelRunner::Forward(const Batch& batch, ThreadPool& pool) {
  FillRope(*std::max_element(batch.lengths.begin(), batch.lengths.end()), pool);
  StepShape shape = ShapeOf(batch);
  const int64_t rows = shape.rows;
  const StepBounds bounds = BoundsOf(batch);
  const CapturedStep* captured = captured_.Find(shape, bounds);
  const Runner& runner = captured != nullptr ? *captured->runner : RunnerFor(shape.tokens);
  if (captured != nullptr) shape = captured->shape;
  inputs_.Put(batch, shape);
  const Runner::Frame frame = captured != nullptr ? captured->frame : FrameOf(runner, shape);
  if (captured != nullptr) {
    CapturedSteps::Queue(device(), *captured, bounds, pool);
  } else {
    device().SetBounds(bounds);
    runner.Queue(frame, 0, static_cast<int>(runner.executable().steps.size()), pool);
  }
  std::vector<TensorView> outputs = runner.Outputs(frame);
  auto* tokens = reinterpret_cast<int32_t*>(tokens_.data);
  device().QueueDownload(tokens_.data, outputs[1].data,
                         rows * static_cast<int64_t>(sizeof(int32_t)));
  RW_TRY(device().Finish());
  // Without what is padding.
  outputs[0].dims[0] = rows;
  for (size_t i = 2; i < outputs.size(); ++i) outputs[i].dims[0] = batch.num_tokens();
  return StepOutputs{
      {tokens, static_cast<size_t>(rows)}, outputs[0], {outputs.begin() + 2, outputs.end()}};
}

Result<TensorView> ModelRunner::ToHost(const TensorView& view) {
  if (device().kind() == Device::kCpu) return view;
  const auto size = static_cast<int64_t>(SizeOf(view.dtype));
  const int64_t row_bytes = view.width() * size;
  fetched_.resize(static_cast<size_t>(view.size() * size));
  if (view.contiguous()) {
    device().QueueDownload(fetched_.data(), view.data, view.size() * size);
  } else {
    for (int64_t row = 0; row < view.rows(); ++row) {
      device().QueueDownload(fetched_.data() + row * row_bytes,
                             view.data + row * view.row_stride * size, row_bytes);
    }
  }
  RW_TRY(device().Finish());
  return TensorView::Contiguous(fetched_.data(), view.dtype,
                                {view.dims.data(), static_cast<size_t>(view.rank)});
}

Result<std::span<const std::byte>> ModelRunner::KvToHost() {
  const auto size = static_cast<size_t>(kv_memory_.size);
  if (device().kind() == Device::kCpu) return std::span<const std::byte>(kv_memory_.data, size);
  fetched_.resize(size);
  device().QueueDownload(fetched_.data(), kv_memory_.data, kv_memory_.size);
  RW_TRY(device().Finish());
  return std::span<const std::byte>(fetched_);
}

}  // namespace rw
