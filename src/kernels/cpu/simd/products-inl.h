// What products with plain and with packed weights share: how tokens are cut into tiles, the rows
// of several weights laid end to end, and the way of sums into y. Included once per target.
#if defined(RW_KERNELS_CPU_SIMD_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RW_KERNELS_CPU_SIMD_PRODUCTS_INL_H_
#undef RW_KERNELS_CPU_SIMD_PRODUCTS_INL_H_
#else
#define RW_KERNELS_CPU_SIMD_PRODUCTS_INL_H_
#endif

#include <algorithm>
#include <span>

#include "kernels/args.h"
#include "kernels/cpu/simd/vec-inl.h"
#include "kernels/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

// Some tokens of x, cut into as few tiles of at most kMost as there can be, of nearly equal width.
template <int kMost>
struct Tiles {
  int64_t first;  // token of x
  int64_t count;

  int64_t tiles() const { return (count + kMost - 1) / kMost; }
  int64_t Begin(int64_t tile) const {  // from `first`
    return count / tiles() * tile + std::min(tile, count % tiles());
  }
  int64_t Width(int64_t tile) const { return Begin(tile + 1) - Begin(tile); }
};

// Calls run(product, begin, end) for what each product has of places [begin, end), where the
// places(product) places of all lie end to end.
template <class Places, class Run>
void ForProducts(std::span<const LinearArgs> products, int64_t begin, int64_t end,
                 const Places& places, const Run& run) {
  for (const LinearArgs& args : products) {
    const int64_t own = places(args);
    const int64_t from = std::max<int64_t>(begin, 0), to = std::min(end, own);
    if (from < to) run(args, from, to);
    begin -= own;
    end -= own;
  }
}

// Rounds sums[token][stride] of rows [row, row + rows) of W into y, with the bias; `room` is for
// `rows` floats.
inline void WriteSums(const LinearArgs& args, int64_t first, int64_t tokens, int64_t row,
                      int64_t rows, const float* sums, int64_t stride, float* room) {
  if (args.bias != nullptr) {
    WithFloatType(args.bias->dtype, [&]<class B>(B) {
      Map(
          rows, room, [](VF b) RW_INLINED { return b; }, args.bias->row<const B>(row));
    });
  }
  WithFloatType(args.y.dtype, [&]<class Y>(Y) {
    for (int64_t t = 0; t < tokens; ++t) {
      Y* y = args.y.row<Y>(first + t) + row;
      if (args.bias == nullptr) {
        Map(
            rows, y, [](VF sum) RW_INLINED { return sum; }, sums + t * stride);
      } else {
        Map(
            rows, y, [](VF sum, VF b) RW_INLINED { return hn::Add(sum, b); }, sums + t * stride,
            room);
      }
    }
  });
}

#endif  // RW_HAS_VECTORS
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();
#endif
