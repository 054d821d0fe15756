#include "bench/operands.h"

#include <algorithm>
#include <span>

#include "base/check.h"
#include "base/random_fill.h"

namespace rw::bench {
namespace {

constexpr int64_t kAlignment = 256;

std::vector<int64_t> DimsOf(const Type& type, const ops::CallShape& shape) {
  const auto symbols = ops::SymbolsOf(shape);
  std::vector<int64_t> dims;
  for (const Dim& dim : type.dims) {
    dims.push_back(dim.is_symbol() ? symbols.at(dim.symbol) : dim.value);
  }
  return dims;
}

int64_t BytesOf(const Type& type, const ops::CallShape& shape) {
  auto bytes = static_cast<int64_t>(SizeOf(type.dtype));
  for (const int64_t dim : DimsOf(type, shape)) bytes *= dim;
  return bytes;
}

// Of keys or of values.
int64_t CacheBytes(const Point& point) {
  return ops::CachePages(*point.op, point.shape) * kPageSize * point.shape.hk * point.shape.d *
         static_cast<int64_t>(SizeOf(point.shape.kv_dtype));
}

KvLayerView ViewCache(const Point& point, std::byte* k, std::byte* v) {
  const ops::CallShape& shape = point.shape;
  const bool tokens_first = point.kv_layout == "NHD";
  return {.k = k,
          .v = v,
          .dtype = shape.kv_dtype,
          .pages = ops::CachePages(*point.op, shape),
          .heads = shape.hk,
          .head_dim = shape.d,
          .page_stride = shape.hk * kPageSize * shape.d,
          .head_stride = tokens_first ? shape.d : kPageSize * shape.d,
          .token_stride = tokens_first ? shape.hk * shape.d : shape.d};
}

}  // namespace

int64_t Arena::Aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

DeviceMemory Arena::Take(int64_t bytes) {
  DeviceMemory taken{memory_.data + used_, bytes, memory_.owner};
  used_ += Aligned(bytes);
  RW_CHECK(used_ <= memory_.size, "{} of {} bytes", used_, memory_.size);
  return taken;
}

int64_t Operands::Bytes(const Graph& call, const Point& point, int64_t arena_bytes) {
  int64_t bytes = Arena::Aligned(arena_bytes);
  for (const Value& value : call.values()) {
    if (value.kind == Value::Kind::kResult) continue;
    bytes += value.type.is_kv() ? 2 * Arena::Aligned(CacheBytes(point))
                                : Arena::Aligned(BytesOf(value.type, point.shape));
  }
  return bytes;
}

const ops::Contents& Numbers::Of(const std::string& operand, uint64_t seed) {
  const auto it = made_.find(operand);
  if (it != made_.end() && std::holds_alternative<std::vector<float>>(it->second)) {
    return it->second;
  }
  return made_.insert_or_assign(operand, ops::ContentsOf(operand, shape_, seed)).first->second;
}

Operands::Operands(ComputeDevice& device, ThreadPool& pool, Arena& arena, const Graph& call,
                   const Point& point, Numbers& numbers, int64_t arena_bytes, uint64_t seed)
    : arena_(arena.Take(arena_bytes)) {
  const auto random = [&](const TensorView& view) { device.QueueRandom(view, ++seed << 32); };
  for (const Value& value : call.values()) {
    if (value.kind == Value::Kind::kResult) continue;
    if (value.type.is_kv()) {
      kv_bytes_ = CacheBytes(point);
      std::byte* const k = arena.Take(kv_bytes_).data;
      std::byte* const v = arena.Take(kv_bytes_).data;
      kv_ = ViewCache(point, k, v);
      const int64_t count = kv_bytes_ / static_cast<int64_t>(SizeOf(kv_.dtype));
      for (std::byte* const data : {k, v}) {
        random(TensorView::Contiguous(data, kv_.dtype, std::array{count}));
      }
      continue;
    }
    const std::vector<int64_t> dims = DimsOf(value.type, point.shape);
    const int64_t bytes = BytesOf(value.type, point.shape);
    const auto view = TensorView::Contiguous(arena.Take(bytes).data, value.type.dtype, dims);
    const auto upload = [&](const auto& values) {
      RW_CHECK(static_cast<int64_t>(values.size()) == view.size(), "{}", value.name);
      const auto raw = std::as_bytes(std::span(values));
      device.Upload(view.data, raw.data(), bytes, pool);
    };
    const ops::Contents& contents = numbers.Of(value.name, ++seed << 32);
    if (const auto* ints = std::get_if<std::vector<int32_t>>(&contents)) {
      upload(*ints);
    } else if (const auto* floats = std::get_if<std::vector<float>>(&contents)) {
      upload(*floats);
    } else {
      random(view);
    }
    tensors_.push_back({value.name, view});
  }
}

const TensorView& Operands::Find(std::string_view name) const {
  const auto it = std::ranges::find(tensors_, name, &Named::name);
  RW_CHECK(it != tensors_.end(), "no operand {}", name);
  return it->view;
}

Runner Operands::MakeRunner(std::shared_ptr<ComputeDevice> device, Executable executable) const {
  std::vector<TensorView> weights;
  for (const TensorPort& port : executable.weights) weights.push_back(Find(port.name));
  return Runner(std::move(device), std::move(executable), std::move(weights), arena_);
}

Runner::Frame Operands::Bind(const Runner& runner) const {
  RunInputs inputs;
  for (const TensorPort& port : runner.executable().inputs) {
    inputs.inputs.push_back(Find(port.name));
  }
  if (!runner.executable().kv.empty()) inputs.kv = {&kv_, 1};
  return runner.Bind(std::move(inputs));
}

}  // namespace rw::bench
