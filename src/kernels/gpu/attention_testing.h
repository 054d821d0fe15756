// Sequences in a paged cache, and steps over them, for the tests of attention on the GPU.
#pragma once

#include "base/random_fill.h"
#include "kernels/gpu/testing.h"

namespace rw::testing {

struct AttentionOptions {
  int64_t hq = 4, hk = 2, d = 64;
  DType dtype = DType::kBF16;
  CacheKind kv = {DType::kBF16, false};
  double softcap = 0;
  int64_t window = 0;
  bool tokens_first = false;  // the cache's order: [pages, 16, hk, d]
};

// What is in the cache. kCodes: a key is a pattern of +-4 of its own, so that a query which repeats
// it puts all its weight there (another's score is hundreds less, and e^-104 is 0 in float32): the
// result is that position's value, in every bit and for any order of sums. kBeacon: as kRandom, but
// one position draws every query that sees it.
enum class Keys { kRandom, kCodes, kBeacon };

// The last `count` tokens of a sequence when it is `length` long.
struct Part {
  int32_t sequence, length, count;
};

// The operands of a step beside q.
struct AttentionStep {
  Tensor qstart, len, table;
  StepBounds bounds;  // as tight as can be
};

class World {
 public:
  World(const AttentionOptions& options, std::vector<int32_t> lengths, Keys keys = Keys::kRandom,
        int32_t beacon = 0)
      : options_(options), lengths_(std::move(lengths)), keys_(keys), beacon_(beacon) {
    int64_t pages = 3;
    for (const int32_t length : lengths_) {
      const int64_t own = (length + kPageSize - 1) / kPageSize;
      width_ = std::max(width_, own + 2);
      pages += own;
    }
    cache_ = std::make_unique<Cache>(options.kv.dtype, pages, options.hk, options.d,
                                     options.tokens_first, options.kv.scaled);
    // Every page once, those of a sequence far from each other.
    int64_t stride = pages / 2 + 1;
    while (std::gcd(stride, pages) != 1) ++stride;
    int64_t page = 1;
    for (const int32_t length : lengths_) {
      tables_.emplace_back((length + kPageSize - 1) / kPageSize);
      for (int32_t& entry : tables_.back()) {
        entry = static_cast<int32_t>(page);
        page = (page + stride) % pages;
      }
    }
    for (int32_t s = 0; s < static_cast<int32_t>(lengths_.size()); ++s) Write(s);
  }

  const AttentionOptions& options() const { return options_; }
  const KvLayerView& kv() const { return cache_->view; }
  Attrs attrs() const {
    const double scale =
        keys_ == Keys::kRandom ? 1 / std::sqrt(static_cast<double>(options_.d)) : 1.0;
    return {{"scale", scale}, {"softcap", options_.softcap}, {"window", options_.window}};
  }
  std::vector<int64_t> QueryDims(const std::vector<Part>& parts) const {
    int64_t n = 0;
    for (const Part& part : parts) n += part.count;
    return {n, options_.hq, options_.d};
  }

  AttentionStep Step(const std::vector<Part>& parts) const {
    std::vector<int32_t> qstart = {0}, lengths;
    Tensor table(DType::kI32, {static_cast<int64_t>(parts.size()), width_}, 3);
    StepBounds bounds;
    for (size_t i = 0; i < parts.size(); ++i) {
      const Part& part = parts[i];
      qstart.push_back(qstart.back() + part.count);
      lengths.push_back(part.length);
      // Entries behind the sequence's pages stay -1.
      const int64_t pages = (part.length + kPageSize - 1) / kPageSize;
      std::copy_n(tables_[part.sequence].begin(), pages,
                  table.view().row<int32_t>(static_cast<int64_t>(i)));
      bounds.max_query = std::max<int64_t>(bounds.max_query, part.count);
      bounds.max_length = std::max<int64_t>(bounds.max_length, part.length);
    }
    return {Tensor::Ints(qstart), Tensor::Ints(lengths), table, bounds};
  }

  // Queries of the kind that fits the keys; those of a position are the same in every step.
  Tensor Queries(const std::vector<Part>& parts, int64_t gap = 0) const {
    Tensor q(options_.dtype, QueryDims(parts), gap);
    int64_t row = 0;
    for (const Part& part : parts) {
      for (int32_t p = part.length - part.count; p < part.length; ++p, ++row) {
        for (int64_t h = 0; h < options_.hq; ++h) SetQuery(part.sequence, p, h, row, q);
      }
    }
    return q;
  }

  GpuCall Call(const AttentionStep& step, const Tensor& q, const Tensor& y) const {
    return {"attention", gpu::kProvider, {q, step.qstart, step.len, step.table}, {y}, attrs(),
            &kv(),       step.bounds};
  }
  void AttendOnGpu(const AttentionStep& step, const Tensor& q, const Tensor& y) const {
    GpuRun run(std::vector<GpuCall>{Call(step, q, y)});
    run.Launch();
    run.Download();
  }
  void AttendByReference(const AttentionStep& step, const Tensor& q, const Tensor& y) const {
    RunOp("attention", "reference", {q, step.qstart, step.len, step.table}, {y}, attrs(), 2, &kv());
  }

  // Whether the query at position p sees position `other`.
  bool Sees(int32_t p, int32_t other) const {
    return other <= p && (options_.window == 0 || other > p - options_.window);
  }

 private:
  static uint64_t Seed(int64_t a, int64_t b, int64_t c) {
    return RandomWord(RandomWord(static_cast<uint64_t>(a), static_cast<uint64_t>(b)),
                      static_cast<uint64_t>(c));
  }
  // Element i of the pattern of position p for a kv head.
  static float Code(int64_t s, int64_t p, int64_t head, int64_t i) {
    const uint64_t word = RandomWord(Seed(s, p, head), static_cast<uint64_t>(i / 64));
    return (word >> (i % 64) & 1) != 0 ? 4.0f : -4.0f;
  }

  void SetQuery(int32_t s, int32_t p, int64_t h, int64_t row, Tensor& q) const {
    const int64_t head = h / (options_.hq / options_.hk);
    const uint64_t seed = Seed(s + 1000, p, h);
    const int64_t first = options_.window > 0 ? std::max<int64_t>(0, p + 1 - options_.window) : 0;
    const int64_t target =
        first + static_cast<int64_t>(seed % static_cast<uint64_t>(p + 1 - first));
    for (int64_t i = 0; i < options_.d; ++i) {
      const auto bits = static_cast<float>(RandomWord(seed, static_cast<uint64_t>(i)) >> 40);
      q.Set(row, h * options_.d + i,
            keys_ == Keys::kRandom   ? bits * 0x1p-22f - 2.0f  // in [-2, 2)
            : keys_ == Keys::kBeacon ? Code(s, beacon_, head, i)
                                     : Code(s, target, head, i));
    }
  }

  void Write(int32_t s) {
    const int32_t length = lengths_[s];
    if (length == 0) return;
    const std::vector<int64_t> dims = {length, options_.hk, options_.d};
    const auto seed = static_cast<uint32_t>(s);
    Tensor k = Tensor(options_.dtype, dims).Random(2 * seed + 1, keys_ == Keys::kRandom ? 2 : 1);
    Tensor v = Tensor(options_.dtype, dims).Random(2 * seed + 2, 2);
    std::vector<int32_t> slots;
    for (int32_t p = 0; p < length; ++p) {
      slots.push_back(tables_[s][p / kPageSize] * static_cast<int32_t>(kPageSize) +
                      p % static_cast<int32_t>(kPageSize));
      const bool beacon = keys_ == Keys::kBeacon && p == beacon_;
      if (keys_ != Keys::kCodes && !beacon) continue;
      for (int64_t i = 0; i < options_.hk * options_.d; ++i) {
        k.Set(p, i, Code(s, p, i / options_.d, i % options_.d));
        if (beacon) v.Set(p, i, 100);
      }
    }
    RunOp("kv_write", "reference", {k, v, Tensor::Ints(slots)}, {}, {}, 1, &cache_->view);
  }

  AttentionOptions options_;
  std::vector<int32_t> lengths_;
  Keys keys_;
  int32_t beacon_;
  int64_t width_ = 1;
  std::vector<std::vector<int32_t>> tables_;
  std::unique_ptr<Cache> cache_;  // what no token has written is NaN
};

}  // namespace rw::testing
