#include "kernels/args.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/reference/row_steps.h"

namespace rw::reference {
namespace {

// x + *args.add as it is stored in *args.sum.
void AddRow(const NormArgs& args, int64_t i, std::vector<float>& x) {
  const std::vector<float> add = ReadRow(*args.add, i);
  for (size_t j = 0; j < x.size(); ++j) x[j] += add[j];
  RoundRow(args.x.dtype, x);
  WriteRow(*args.sum, i, x);
}

constexpr KernelRow kRows[] = {
    {"rms_norm", Device::kCpu, kProvider, AcceptsNorm, RmsNorm},
    {"add_rms_norm", Device::kCpu, kProvider, AcceptsAddNorm, RmsNorm},
};

}  // namespace

void RmsNorm(const KernelCall& call) {
  const NormArgs args = ReadNorm(call);
  const std::vector<float> w = ReadVector(args.w);
  call.pool.ParallelFor(args.x.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<float> row = ReadRow(args.x, i);
      if (args.add != nullptr) AddRow(args, i, row);
      NormRow(args.style, args.eps, args.y.dtype, w, row);
      WriteRow(args.y, i, row);
    }
  });
}

std::span<const KernelRow> NormRows() { return kRows; }

}  // namespace rw::reference
