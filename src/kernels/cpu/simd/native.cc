// Runs programs a tile at a time: each instruction goes over a tile of a row in vectors before the
// next one does, and what they hand each other stays in the cache. A tile is a whole row where one
// of the instructions needs all of it, else a run of elements.
#include <vector>

#include "kernels/cpu/native_rows.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/simd/work.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/native.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/math-inl.h"
#include "kernels/cpu/simd/norm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

using native::Code;
using native::Instr;
using native::Part;

constexpr int64_t kTile = 512;  // elements: tiles of a handful of instructions fit the L1 cache
constexpr int64_t kTileAlignment = 16;

// Elements [begin, begin + count) of the segments of row (i, head).
struct Tile {
  NativeRowIndex row;
  int64_t begin;
  int64_t size;  // of the longest segment
};

class PartRun {
 public:
  PartRun(const KernelCall& call, const Part& part) : call_(call), part_(part) {
    for (const Instr& instr : part.code) {
      longest_ = std::max(longest_, instr.length);
      whole_ |= instr.code == Code::kSumSquares;
    }
    tile_ = whole_ ? longest_ : std::min(longest_, kTile);
    PlaceTiles();
  }

  void Run(int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const NativeRowIndex at = {row / part_.heads, row % part_.heads};
      for (int64_t begin = 0; begin < longest_; begin += tile_) {
        for (size_t i = 0; i < part_.code.size(); ++i) RunOne(i, {at, begin, tile_});
      }
    }
  }

 private:
  // Memory of a tile for each instruction, used again when its last reader is done.
  void PlaceTiles() {
    const auto count = static_cast<int>(part_.code.size());
    std::vector<int> last(part_.code.size(), -1);
    for (int i = 0; i < count; ++i) {
      for (const int arg : part_.code[static_cast<size_t>(i)].args)
        last[static_cast<size_t>(arg)] = i;
    }
    std::vector<int> place(part_.code.size(), -1);
    std::vector<int> free;
    int places = 0;
    for (int i = 0; i < count; ++i) {
      const Instr& instr = part_.code[static_cast<size_t>(i)];
      // An instruction may write where it reads; the same operand twice is freed once.
      for (size_t a = 0; a < instr.args.size(); ++a) {
        const auto arg = static_cast<size_t>(instr.args[a]);
        const bool again = a > 0 && instr.args[a] == instr.args[0];
        if (last[arg] == i && place[arg] >= 0 && !again) free.push_back(place[arg]);
      }
      if (last[static_cast<size_t>(i)] < 0) continue;  // a store
      if (free.empty()) free.push_back(places++);
      place[static_cast<size_t>(i)] = free.back();
      free.pop_back();
    }
    const int64_t stride = (std::max(tile_, part_.width * whole_) + kTileAlignment - 1) /
                           kTileAlignment * kTileAlignment;
    float* memory = ScratchFloats(Scratch::kTile, stride * (places + 1));
    row_ = memory + stride * places;
    tiles_.resize(part_.code.size());
    for (size_t i = 0; i < tiles_.size(); ++i) {
      tiles_[i] = place[i] < 0 ? nullptr : memory + stride * place[i];
    }
    at_.assign(tiles_.begin(), tiles_.end());
  }

  HWY_INLINE void RunOne(size_t i, const Tile& tile) {
    const Instr& instr = part_.code[i];
    const int64_t count = instr.scalar ? 1 : std::min(tile.size, instr.length - tile.begin);
    if (count <= 0) return;
    float* y = tiles_[i];
    switch (instr.code) {
      case Code::kLoad:
        return Load(i, tile, count);
      case Code::kNumber:
        *y = instr.number;
        return;
      case Code::kAdd:
        return Binary(instr, y, count, [](VF a, VF b) RW_INLINED { return hn::Add(a, b); });
      case Code::kSub:
        return Binary(instr, y, count, [](VF a, VF b) RW_INLINED { return hn::Sub(a, b); });
      case Code::kMul:
        return Binary(instr, y, count, [](VF a, VF b) RW_INLINED { return hn::Mul(a, b); });
      case Code::kDiv:
        return Binary(instr, y, count, [](VF a, VF b) RW_INLINED { return hn::Div(a, b); });
      case Code::kTanh:
        return Unary(instr, y, count, [](VF x) RW_INLINED { return Tanh(x); });
      case Code::kSilu:
        return Unary(instr, y, count, [](VF x) RW_INLINED { return SiluVector(x); });
      case Code::kGelu:
        return Unary(instr, y, count, [](VF x) RW_INLINED { return GeluVector(x); });
      case Code::kGeluTanh:
        return Unary(instr, y, count, [](VF x) RW_INLINED { return GeluTanhVector(x); });
      case Code::kRound:
        return instr.dtype == DType::kBF16
                   ? Unary(instr, y, count, [](VF x) RW_INLINED { return Round<BF16>(x); })
                   : Unary(instr, y, count, [](VF x) RW_INLINED { return Round<F16>(x); });
      case Code::kSumSquares:
        *y = SumOf(instr);
        return;
      case Code::kNormFactor:
        *y = NormFactor(*Arg(instr, 0), part_.width, instr.number);
        return;
      case Code::kStore: {
        const TensorView& out = call_.out[static_cast<size_t>(instr.port)];
        std::byte* to = StoreTo(call_, part_, instr, tile.row);
        return WithFloatType(out.dtype,
                             [&]<class T>(T) { Store<T>(instr, to, tile.begin, count, 1); });
      }
      case Code::kStoreCache: {
        const CachePlace to = StoreToCache(call_, instr, tile.row);
        if (to.data == nullptr) return;
        return WithCacheType(call_.kv->dtype, [&]<class T>(T) {
          Store<T>(instr, to.data, tile.begin, count, to.scale);
        });
      }
    }
  }

  const float* Arg(const Instr& instr, size_t i) const {
    return at_[static_cast<size_t>(instr.args[i])];
  }
  bool IsScalar(const Instr& instr, size_t i) const {
    return part_.code[static_cast<size_t>(instr.args[i])].scalar;
  }

  template <class Fn>
  HWY_INLINE void Unary(const Instr& instr, float* y, int64_t count, const Fn& fn) const {
    Map(count, y, fn, Arg(instr, 0));
  }
  template <class Fn>
  HWY_INLINE void Binary(const Instr& instr, float* y, int64_t count, const Fn& fn) const {
    const float* a = Arg(instr, 0);
    const float* b = Arg(instr, 1);
    if (IsScalar(instr, 0)) {
      const VF one = Set(*a);
      Map(
          count, y, [&](VF x) RW_INLINED { return fn(one, x); }, b);
    } else if (IsScalar(instr, 1)) {
      const VF one = Set(*b);
      Map(
          count, y, [&](VF x) RW_INLINED { return fn(x, one); }, a);
    } else {
      Map(count, y, fn, a, b);
    }
  }

  // Floats without a gap are read where they lie.
  HWY_INLINE void Load(size_t i, const Tile& tile, int64_t count) {
    const Instr& instr = part_.code[i];
    const std::byte* from = LoadFrom(call_, part_, instr, tile.row);
    WithFloatType(instr.dtype, [&]<class T>(T) {
      const T* x = reinterpret_cast<const T*>(from) + tile.begin * instr.at.stride;
      if (instr.at.stride != 1) {
        for (int64_t j = 0; j < count; ++j) tiles_[i][j] = ToFloat(x[j * instr.at.stride]);
      } else if constexpr (std::is_same_v<T, float>) {
        at_[i] = x;
      } else {
        Convert(x, tiles_[i], count);
      }
    });
  }

  template <class T>
  HWY_INLINE void Store(const Instr& instr, std::byte* to, int64_t begin, int64_t count,
                        float scale) const {
    T* y = reinterpret_cast<T*>(to) + begin * instr.at.stride;
    const float* x = Arg(instr, 0);
    if (instr.at.stride != 1) {
      for (int64_t j = 0; j < count; ++j) {
        y[j * instr.at.stride] = RoundTo<T>(std::is_same_v<T, F8E4M3> ? x[j] / scale : x[j]);
      }
    } else if constexpr (std::is_same_v<T, F8E4M3>) {
      const VF unit = Set(scale);
      Map(
          count, y, [unit](VF v) RW_INLINED { return hn::Div(v, unit); }, x);
    } else {
      Convert(x, y, count);
    }
  }

  // Of the whole row, its elements in their order.
  float SumOf(const Instr& instr) const {
    if (instr.args.size() == 1) return SumSquares(Arg(instr, 0), part_.width);
    for (size_t s = 0; s < instr.args.size(); ++s) {
      const native::Segment& at = part_.segments[s];
      const float* x = Arg(instr, s);
      for (int64_t j = 0; j < at.length; ++j) row_[at.begin + j * at.stride] = x[j];
    }
    return SumSquares(row_, part_.width);
  }

  const KernelCall& call_;
  const Part& part_;
  int64_t longest_ = 0;  // segment
  int64_t tile_ = 0;
  bool whole_ = false;
  std::vector<float*> tiles_;     // by instruction: its memory; null for stores
  std::vector<const float*> at_;  // by instruction: where its numbers are
  float* row_ = nullptr;
};

void Native(const KernelCall& call) {
  for (const Part& part : call.program->parts) {
    const int64_t count = call.in[static_cast<size_t>(part.counted)].rows();
    call.pool.ParallelFor(count * part.heads, RowsPerTask(part.width),
                          [&](int64_t begin, int64_t end) { PartRun(call, part).Run(begin, end); });
  }
}

#else  // no vectors: the reference
using reference::Native;
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(Native);

}  // namespace

const KernelRow kNativeRow = {"native", Device::kCpu, kProvider,
                              [](const KernelTypes&, const Attrs&) { return true; },
                              [](const KernelCall& call) {
                                HWY_DYNAMIC_DISPATCH(Native)
                                (call);
                              }};

}  // namespace rw::simd
#endif  // HWY_ONCE
