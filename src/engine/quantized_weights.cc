#include "engine/quantized_weights.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/lazy_memory.h"
#include "base/packed.h"
#include "kernels/dispatch.h"
#include "quant/quantize.h"

namespace rw {
namespace {

// Rounds strips [begin, end) of w.
void PackStrips(const TensorView& w, DType dtype, int64_t begin, int64_t end, std::byte* to) {
  const int64_t k = w.width();
  std::vector<float> row(static_cast<size_t>(k));
  std::vector<PackedRow> packed(kStripRows, PackedRow(LayoutOf(dtype), k));
  for (int64_t strip = begin; strip < end; ++strip) {
    const int64_t first = strip * kStripRows;
    const int64_t rows = std::min(kStripRows, w.rows() - first);
    for (int64_t r = 0; r < rows; ++r) {
      WithFloatType(w.dtype, [&]<class T>(T) {
        const T* from = w.row<const T>(first + r);
        for (int64_t i = 0; i < k; ++i) row[i] = ToFloat(from[i]);
      });
      QuantizeRow(dtype, row, packed[r]);
    }
    WritePackedStrip(dtype, std::span(packed).first(rows), k,
                     to + strip * LayoutOf(dtype).StripBytes(k));
  }
}

class Quantized final : public Weights {
 public:
  Quantized(std::shared_ptr<const Weights> weights, bool tied, const QuantScheme& scheme,
            ThreadPool& pool, std::function<void(int64_t done)> done)
      : weights_(std::move(weights)),
        tied_(tied),
        scheme_(scheme),
        pool_(pool),
        done_(std::move(done)) {}

  Result<DType> TypeOf(const std::string& name, std::span<const int64_t> dims) const override {
    RW_ASSIGN(const DType stored, weights_->TypeOf(name, dims));
    if (IsPacked(stored)) {
      return Err(
          "--quantization {}: expected weights of 16 or 32 bits, found {} of {}: leave the flag "
          "out",
          scheme_.name, name, Name(stored));
    }
    return Rounded(name, dims).value_or(stored);
  }

  Result<TensorView> Get(const std::string& name, std::span<const int64_t> dims) const override {
    const std::optional<DType> dtype = Rounded(name, dims);
    if (!dtype) return weights_->Get(name, dims);
    auto it = memory_.find(name);
    if (it == memory_.end()) {
      RW_ASSIGN(const TensorView from, weights_->Get(name, dims));
      const int64_t bytes = BytesOf(*dtype, from.rows(), from.width());
      RW_ASSIGN(LazyMemory memory, LazyMemory::Reserve(bytes, "quantized weights"));
      pool_.ParallelFor(LayoutOf(*dtype).Strips(from.rows()), 1, [&](int64_t begin, int64_t end) {
        PackStrips(from, *dtype, begin, end, memory.data());
      });
      it = memory_.emplace(name, std::move(memory)).first;
      bytes_ += bytes;
      if (done_) done_(bytes_);
    }
    return TensorView::Contiguous(it->second.data(), *dtype, dims);
  }

  Result<std::vector<float>> Numbers(const std::string& name) const override {
    return weights_->Numbers(name);
  }

 private:
  // The type that a tensor of the model is rounded to; none: it stays as it is.
  std::optional<DType> Rounded(const std::string& name, std::span<const int64_t> dims) const {
    if (dims.size() != 2) return std::nullopt;
    if (name == "lm_head.weight") return scheme_.head;
    if (name == "model.embed_tokens.weight") {
      return tied_ ? std::optional(scheme_.head) : std::nullopt;
    }
    return scheme_.body;
  }

  std::shared_ptr<const Weights> weights_;
  bool tied_;
  QuantScheme scheme_;
  ThreadPool& pool_;
  std::function<void(int64_t done)> done_;
  mutable std::map<std::string, LazyMemory> memory_;
  mutable int64_t bytes_ = 0;
};

}  // namespace

std::shared_ptr<const Weights> QuantizedWeights(std::shared_ptr<const Weights> weights,
                                                const ModelConfig& config,
                                                const QuantScheme& scheme, ThreadPool& pool,
                                                std::function<void(int64_t done)> done) {
  return std::make_shared<const Quantized>(std::move(weights), config.tie_word_embeddings, scheme,
                                           pool, std::move(done));
}

}  // namespace rw
