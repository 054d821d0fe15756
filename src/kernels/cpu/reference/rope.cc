#include "kernels/args.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/reference/row_steps.h"
#include "kernels/scalar_math.h"

namespace rw::reference {
namespace {

// Turns the first `rotated` elements of one head in place.
void RotateHead(float* head, const float* cs, int64_t rotated, RopeLayout layout) {
  const int64_t half = rotated / 2;
  for (int64_t i = 0; i < half; ++i) {
    float& x = layout == RopeLayout::kHalf ? head[i] : head[2 * i];
    float& y = layout == RopeLayout::kHalf ? head[i + half] : head[2 * i + 1];
    const Pair turned = Rotate({x, y}, cs[i], cs[half + i]);
    x = turned.x;
    y = turned.y;
  }
}

// The heads of row i of q or k: normalised if there is a w, turned.
std::vector<float> TurnRow(const RopeArgs& args, const TensorView& in, const TensorView* w,
                           int64_t i) {
  std::vector<float> row = ReadRow(in, i);
  if (w != nullptr) NormRow(args.style, args.eps, in.dtype, ReadVector(*w), row);
  for (auto head = row.begin(); head != row.end(); head += args.d) {
    RotateHead(&*head, args.Angles(i), args.rotated, args.layout);
  }
  return row;
}

// Row i of k into its result or, through the type of k, into the cache.
void PutKeys(const RopeArgs& args, int64_t i) {
  const std::vector<float> row = TurnRow(args, args.k, args.kw, i);
  if (args.kv == nullptr) return WriteRow(*args.k_out, i, row);
  std::vector<std::byte> keys(row.size() * SizeOf(args.k.dtype));
  FromFloats(args.k.dtype, row.data(), args.k.width(), keys.data());
  WriteToken(*args.kv, *args.slot->row<const int32_t>(i), args.k.dtype, keys.data(),
             RowBytes(*args.v, i));
}

constexpr KernelRow kRows[] = {
    {"rope", Device::kCpu, kProvider, AcceptsRope, Rope},
    {"rope_kv_write", Device::kCpu, kProvider, AcceptsRopeKvWrite, Rope},
    {"qk_norm_rope", Device::kCpu, kProvider, AcceptsQkNormRope, Rope},
    {"qk_norm_rope_kv_write", Device::kCpu, kProvider, AcceptsQkNormRopeKvWrite, Rope},
};

}  // namespace

void Rope(const KernelCall& call) {
  const RopeArgs args = ReadRope(call);
  call.pool.ParallelFor(args.pos.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      WriteRow(args.q_out, i, TurnRow(args, args.q, args.qw, i));
      PutKeys(args, i);
    }
  });
}

std::span<const KernelRow> RopeRows() { return kRows; }

}  // namespace rw::reference
