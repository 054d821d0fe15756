#include "kernels/cpu/args.h"
#include "kernels/cpu/reference/float_rows.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/scalar_math.h"

namespace rw::reference {
namespace {

constexpr KernelRow kRows[] = {{"rms_norm", Device::kCpu, kProvider, AcceptsNorm, RmsNorm}};

}  // namespace

void RmsNorm(const KernelCall& call) {
  const NormArgs args = ReadNorm(call);
  const std::vector<float> w = ReadVector(args.w);
  call.pool.ParallelFor(args.x.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<float> row = ReadRow(args.x, i);
      for (auto x = row.begin(); x != row.end(); x += args.h) {
        const float factor = NormFactor(SumSquares(&*x, args.h), args.h, args.eps);
        WithFloatType(args.y.dtype, [&]<class T>(T) {
          for (int64_t j = 0; j < args.h; ++j) {
            x[j] = NormElement<T>(args.style, x[j], factor, w[j]);
          }
        });
      }
      WriteRow(args.y, i, row);
    }
  });
}

std::span<const KernelRow> NormRows() { return kRows; }

}  // namespace rw::reference
