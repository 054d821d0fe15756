#include <array>

#include "kernels/args.h"
#include "kernels/cpu/reference/float_rows.h"
#include "kernels/cpu/reference/reference.h"

namespace rw::reference {
namespace {

// Sixteen interleaved partial sums, then folded: an order that depends on k alone, that the
// compiler can keep in vectors, and whose rounding error grows with k / 16 only.
float Dot(const float* x, const float* w, int64_t k) {
  constexpr int kSums = 16;
  std::array<float, kSums> sums{};
  int64_t i = 0;
  for (; i + kSums <= k; i += kSums) {
    for (int l = 0; l < kSums; ++l) sums[l] += x[i + l] * w[i + l];
  }
  for (int l = 0; i + l < k; ++l) sums[l] += x[i + l] * w[i + l];
  for (int width = kSums / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) sums[l] += sums[l + width];
  }
  return sums[0];
}

// Column j of y, which is row j of w.
void MultiplyRow(const LinearArgs& args, const std::vector<float>& x,
                 const std::vector<float>& bias, int64_t j) {
  const auto y_size = static_cast<int64_t>(SizeOf(args.y.dtype));
  const std::vector<float> w = ReadRow(args.w, j);
  for (int64_t i = 0; i < args.n; ++i) {
    float sum = Dot(x.data() + i * args.k, w.data(), args.k);
    if (!bias.empty()) sum += bias[j];
    FromFloats(args.y.dtype, &sum, 1, RowBytes(args.y, i) + j * y_size);
  }
}

constexpr KernelRow kRows[] = {
    {"linear", Device::kCpu, kProvider, AcceptsEither<AcceptsLinear, AcceptsPackedLinear>, Linear},
    {"linear2", Device::kCpu, kProvider, AcceptsEither<AcceptsLinear2, AcceptsPackedLinear2>,
     Linear},
    {"linear3", Device::kCpu, kProvider, AcceptsEither<AcceptsLinear3, AcceptsPackedLinear3>,
     Linear},
};

}  // namespace

void Linear(const KernelCall& call) {
  if (IsPacked(call.in[1].dtype)) return PackedLinear(call);
  const std::vector<LinearArgs> products = ReadLinear(call);
  const LinearArgs& any = products.front();  // x is the same for all
  std::vector<float> x(any.n * any.k);
  for (int64_t i = 0; i < any.n; ++i) {
    ToFloats(any.x.dtype, RowBytes(any.x, i), any.k, x.data() + i * any.k);
  }
  for (const LinearArgs& args : products) {
    std::vector<float> bias;
    if (args.bias != nullptr) bias = ReadVector(*args.bias);
    call.pool.ParallelFor(args.m, 1, [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; ++j) MultiplyRow(args, x, bias, j);
    });
  }
}

std::span<const KernelRow> LinearRows() { return kRows; }

}  // namespace rw::reference
