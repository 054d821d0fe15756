#include <limits>

#include "kernels/args.h"
#include "kernels/cpu/cache_scale.h"
#include "kernels/cpu/reference/float_rows.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/scalar_math.h"

namespace rw::reference {
namespace {

// The keys or the values of one layer's cache.
struct Plane {
  const std::byte* data;
  const float* scales;
};

// One row of the cache, wherever its page lies.
std::vector<float> ReadCacheRow(const AttentionArgs& args, const Plane& plane, int64_t sequence,
                                int64_t head, int64_t position) {
  const int64_t page = args.table.row<const int32_t>(sequence)[position / kPageSize];
  RW_CHECK(page >= 0 && page < args.kv.pages, "page {} of {}", page, args.kv.pages);
  const int64_t offset = args.kv.Offset(page, head, position % kPageSize);
  std::vector<float> row(args.d);
  ToFloats(args.kv.dtype, plane.data + offset * static_cast<int64_t>(SizeOf(args.kv.dtype)), args.d,
           row.data());
  if (args.kv.dtype == DType::kF8E4M3) {
    const float scale = CacheScale(plane.scales, head);
    for (float& x : row) x *= scale;
  }
  return row;
}

// exp(score - max) over sum, in place.
void Softmax(std::vector<float>& scores) {
  float max = -std::numeric_limits<float>::infinity();
  for (const float score : scores) max = std::max(max, score);
  float sum = 0;
  for (float& score : scores) {
    score = std::exp(score - max);
    sum += score;
  }
  for (float& score : scores) score /= sum;
}

// What the query of head h in row `row` of sequence s takes from its window.
void Attend(const AttentionArgs& args, int64_t s, int64_t row, int64_t h, float* q_to_y) {
  const int64_t position = args.Position(s, row);
  const int64_t begin = args.WindowBegin(position);
  const Plane keys = {args.kv.k, args.kv.k_scale}, values = {args.kv.v, args.kv.v_scale};
  std::vector<float> scores;
  for (int64_t p = begin; p <= position; ++p) {
    const std::vector<float> k = ReadCacheRow(args, keys, s, h / args.group, p);
    float score = 0;
    for (int64_t i = 0; i < args.d; ++i) score += q_to_y[i] * k[i];
    score *= args.scale;
    scores.push_back(args.softcap > 0 ? rw::Softcap(score, args.softcap) : score);
  }
  Softmax(scores);
  std::fill(q_to_y, q_to_y + args.d, 0.0f);
  for (int64_t p = begin; p <= position; ++p) {
    const std::vector<float> v = ReadCacheRow(args, values, s, h / args.group, p);
    for (int64_t i = 0; i < args.d; ++i) q_to_y[i] += scores[p - begin] * v[i];
  }
}

constexpr KernelRow kRows[] = {{"attention", Device::kCpu, kProvider, AcceptsAttention, Attention}};

}  // namespace

void Attention(const KernelCall& call) {
  const AttentionArgs args = ReadAttention(call);
  args.CheckSequences();
  for (int64_t s = 0; s < args.sequences; ++s) {
    const int64_t first = args.FirstRow(s);
    call.pool.ParallelFor(args.FirstRow(s + 1) - first, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = first + begin; i < first + end; ++i) {
        std::vector<float> row = ReadRow(args.q, i);
        for (int64_t h = 0; h < args.hq; ++h) Attend(args, s, i, h, row.data() + h * args.d);
        WriteRow(args.y, i, row);
      }
    });
  }
}

std::span<const KernelRow> AttentionRows() { return kRows; }

}  // namespace rw::reference
