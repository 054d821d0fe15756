#include "kernels/cpu/args.h"
#include "kernels/cpu/reference/float_rows.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/scalar_math.h"

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

void RotateRow(const RopeArgs& args, const TensorView& in, const TensorView& out, int64_t i) {
  const int64_t pos = *args.pos.row<const int32_t>(i);
  RW_CHECK(pos >= 0 && pos < args.cs.rows(), "position {} of {}", pos, args.cs.rows());
  std::vector<float> row = ReadRow(in, i);
  for (int64_t head = 0; head < in.dims[1]; ++head) {
    RotateHead(row.data() + head * in.dims[2], args.cs.row<const float>(pos), args.rotated,
               args.layout);
  }
  WriteRow(out, i, row);
}

constexpr KernelRow kRows[] = {{"rope", Device::kCpu, kProvider, AcceptsRope, Rope}};

}  // namespace

void Rope(const KernelCall& call) {
  const RopeArgs args = ReadRope(call);
  call.pool.ParallelFor(args.pos.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      RotateRow(args, args.q, args.q_out, i);
      RotateRow(args, args.k, args.k_out, i);
    }
  });
}

std::span<const KernelRow> RopeRows() { return kRows; }

}  // namespace rw::reference
