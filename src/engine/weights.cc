#include "engine/weights.h"

#include <fmt/ranges.h>

#include <cstring>
#include <functional>
#include <map>

#include "base/check.h"
#include "base/lazy_memory.h"
#include "base/random_fill.h"
#include "kernels/dispatch.h"

namespace rw {
namespace {

class FromCheckpoint final : public Weights {
 public:
  explicit FromCheckpoint(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {}

  Result<DType> TypeOf(const std::string& name, std::span<const int64_t> dims) const override {
    RW_ASSIGN(const TensorView view, Get(name, dims));
    return view.dtype;
  }

  Result<TensorView> Get(const std::string& name, std::span<const int64_t> dims) const override {
    RW_ASSIGN(const TensorView view, checkpoint_.Get(name));
    const std::span<const int64_t> found(view.dims.data(), static_cast<size_t>(view.rank));
    if (!std::equal(found.begin(), found.end(), dims.begin(), dims.end())) {
      return Err("{}: expected the shape [{}] that config.json asks for, found [{}]", name,
                 fmt::join(dims, ","), fmt::join(found, ","));
    }
    if (view.dtype == DType::kI32) return Err("{}: expected F32, F16 or BF16, found I32", name);
    return view;
  }

  Result<std::vector<float>> Numbers(const std::string& name) const override {
    if (!checkpoint_.Has(name)) return std::vector<float>();
    RW_ASSIGN(const TensorView view, checkpoint_.Get(name));
    if (!IsFloat(view.dtype)) {
      return Err("{}: expected F32, F16 or BF16, found {}", name, Name(view.dtype));
    }
    std::vector<float> numbers(static_cast<size_t>(view.size()));
    WithFloatType(view.dtype, [&]<class T>(T) {
      const auto* from = reinterpret_cast<const T*>(view.data);
      for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = ToFloat(from[i]);
    });
    return numbers;
  }

 private:
  Checkpoint checkpoint_;
};

class Dummy final : public Weights {
 public:
  explicit Dummy(DType dtype) : dtype_(dtype) {}

  Result<DType> TypeOf(const std::string&, std::span<const int64_t>) const override {
    return dtype_;
  }

  Result<TensorView> Get(const std::string& name, std::span<const int64_t> dims) const override {
    int64_t bytes = static_cast<int64_t>(SizeOf(dtype_));
    for (const int64_t dim : dims) {
      if (__builtin_mul_overflow(bytes, dim, &bytes)) return Err("{}: too large", name);
    }
    auto it = memory_.find(name);
    if (it == memory_.end()) {
      RW_ASSIGN(LazyMemory memory, LazyMemory::Reserve(bytes, "dummy weights"));
      it = memory_.emplace(name, std::move(memory)).first;
      const TensorView view = TensorView::Contiguous(it->second.data(), dtype_, dims);
      RandomFill(dtype_, view.data, view.size(), SeedOf(name));
    }
    return TensorView::Contiguous(it->second.data(), dtype_, dims);
  }

  Status CopyTo(ComputeDevice& device, const std::string& name, const TensorView& to,
                ThreadPool&) const override {
    device.QueueRandom(to, SeedOf(name));
    return {};
  }

 private:
  static uint64_t SeedOf(const std::string& name) { return std::hash<std::string>()(name); }

  DType dtype_;
  mutable std::map<std::string, LazyMemory> memory_;
};

class OnDevice final : public Weights {
 public:
  OnDevice(std::shared_ptr<ComputeDevice> device, std::shared_ptr<const Weights> weights,
           ThreadPool& pool, std::function<void(int64_t)> done)
      : device_(std::move(device)),
        weights_(std::move(weights)),
        pool_(pool),
        done_(std::move(done)) {}

  Result<DType> TypeOf(const std::string& name, std::span<const int64_t> dims) const override {
    RW_ASSIGN(const DType dtype, weights_->TypeOf(name, dims));
    if (IsPacked(dtype)) {
      return Err("{}: packed weights ({}) run on a CPU only so far: add --device cpu", name,
                 Name(dtype));
    }
    return dtype;
  }

  Result<std::vector<float>> Numbers(const std::string& name) const override {
    return weights_->Numbers(name);
  }

  Result<TensorView> Get(const std::string& name, std::span<const int64_t> dims) const override {
    RW_ASSIGN(const DType dtype, weights_->TypeOf(name, dims));
    TensorView view = TensorView::Contiguous(nullptr, dtype, dims);
    auto it = memory_.find(name);
    if (it == memory_.end()) {
      const int64_t bytes = BytesOf(dtype, view.rows(), view.width());
      RW_ASSIGN(DeviceMemory memory, device_->Reserve(bytes, "the weights"));
      view.data = memory.data;
      RW_TRY(weights_->CopyTo(*device_, name, view, pool_));
      it = memory_.emplace(name, std::move(memory)).first;
      bytes_ += bytes;
      if (done_) done_(bytes_);
    }
    view.data = it->second.data;
    return view;
  }

 private:
  std::shared_ptr<ComputeDevice> device_;
  std::shared_ptr<const Weights> weights_;
  ThreadPool& pool_;
  std::function<void(int64_t)> done_;
  mutable std::map<std::string, DeviceMemory> memory_;
  mutable int64_t bytes_ = 0;
};

}  // namespace

Result<std::vector<float>> Weights::Numbers(const std::string&) const {
  return std::vector<float>();
}

Status Weights::CopyTo(ComputeDevice& device, const std::string& name, const TensorView& to,
                       ThreadPool& pool) const {
  RW_ASSIGN(const TensorView from, Get(name, {to.dims.data(), static_cast<size_t>(to.rank)}));
  RW_CHECK(from.dtype == to.dtype && from.contiguous() && to.contiguous());
  device.Upload(to.data, from.data, BytesOf(to.dtype, to.rows(), to.width()), pool);
  return {};
}

std::shared_ptr<const Weights> WeightsOn(std::shared_ptr<ComputeDevice> device,
                                         std::shared_ptr<const Weights> weights, ThreadPool& pool,
                                         std::function<void(int64_t done)> done) {
  if (device->kind() == Device::kCpu) return weights;
  return std::make_shared<const OnDevice>(std::move(device), std::move(weights), pool,
                                          std::move(done));
}

std::shared_ptr<const Weights> CheckpointWeights(Checkpoint checkpoint) {
  return std::make_shared<const FromCheckpoint>(std::move(checkpoint));
}

std::shared_ptr<const Weights> DummyWeights(const ModelConfig& config) {
  return std::make_shared<const Dummy>(config.dtype.value_or(DType::kBF16));
}

}  // namespace rw
