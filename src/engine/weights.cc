#include "engine/weights.h"

#include <fmt/ranges.h>

#include <cstring>
#include <functional>
#include <map>

#include "base/check.h"
#include "base/lazy_memory.h"

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
      // Room for the generator's last whole word.
      RW_ASSIGN(LazyMemory memory, LazyMemory::Reserve(bytes + 8, "dummy weights"));
      Fill(memory, std::hash<std::string>()(name));
      it = memory_.emplace(name, std::move(memory)).first;
    }
    return TensorView::Contiguous(it->second.data(), dtype_, dims);
  }

 private:
  // Random signs and mantissas with a fixed exponent: numbers of magnitude 2^-6 to 2^-5, which keep
  // sums over thousands of terms in range.
  void Fill(LazyMemory& memory, uint64_t seed) const {
    uint64_t keep = 0x807f807f807f807f;
    uint64_t exponent = 0x3c803c803c803c80;  // bf16
    if (dtype_ == DType::kF16) keep = 0x83ff83ff83ff83ff, exponent = 0x2400240024002400;
    if (dtype_ == DType::kF32) keep = 0x807fffff807fffff, exponent = 0x3c8000003c800000;
    uint64_t state = seed | 1;
    for (int64_t i = 0; i + 8 <= memory.size(); i += 8) {
      state ^= state << 13;  // xorshift64
      state ^= state >> 7;
      state ^= state << 17;
      const uint64_t word = (state & keep) | exponent;
      std::memcpy(memory.data() + i, &word, 8);
    }
  }

  DType dtype_;
  mutable std::map<std::string, LazyMemory> memory_;
};

}  // namespace

std::shared_ptr<const Weights> CheckpointWeights(Checkpoint checkpoint) {
  return std::make_shared<const FromCheckpoint>(std::move(checkpoint));
}

std::shared_ptr<const Weights> DummyWeights(const ModelConfig& config) {
  return std::make_shared<const Dummy>(config.dtype.value_or(DType::kBF16));
}

}  // namespace rw
