// Runs programs a tile at a time: each instruction goes over a tile in vectors before the next one
// does, and what they hand each other stays in the cache. A tile is a run of elements of a row, or
// of whole heads of a token where these are short; a whole row where an instruction needs all of
// it.
#include <algorithm>
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

// Elements [begin, begin + size) of the segments of heads [head, head + heads) of row i.
struct Tile {
  int64_t i;
  int64_t head, heads;
  int64_t begin, size;
};

// An instruction's numbers of a tile: those of each head follow those of the one before.
class PartRun {
 public:
  PartRun(const KernelCall& call, const Part& part) : call_(call), part_(part) {
    for (const Instr& instr : part.code) {
      longest_ = std::max(longest_, instr.length);
      whole_ |= instr.code == Code::kSumSquares;
    }
    size_ = whole_ ? longest_ : std::min(longest_, kTile);
    heads_ = std::clamp<int64_t>(kTile / longest_, 1, part.heads);
    PlaceTiles();
  }

  void Run(int64_t first, int64_t last) {
    for (int64_t row = first; row < last;) {
      const int64_t head = row % part_.heads;
      const int64_t heads = std::min({heads_, part_.heads - head, last - row});
      for (int64_t begin = 0; begin < longest_; begin += size_) {
        const Tile tile = {row / part_.heads, head, heads, begin, size_};
        for (size_t i = 0; i < part_.code.size(); ++i) RunOne(i, tile);
      }
      row += heads;
    }
  }

 private:
  // Memory of a tile for each instruction, used again when its last reader is done.
  void PlaceTiles() {
    const auto count = static_cast<int>(part_.code.size());
    std::vector<int> last(part_.code.size(), -1);
    for (int i = 0; i < count; ++i) {
      for (const int arg : part_.code[static_cast<size_t>(i)].args) {
        last[static_cast<size_t>(arg)] = i;
      }
    }
    std::vector<int> place(part_.code.size(), -1);
    std::vector<int> free;
    int places = 0;
    for (int i = 0; i < count; ++i) {
      const Instr& instr = part_.code[static_cast<size_t>(i)];
      // An instruction may write where it reads, element by element; not over a number for each
      // head while it still goes over the elements. The same operand twice is freed once.
      const auto free_args = [&](bool scalars) {
        for (size_t a = 0; a < instr.args.size(); ++a) {
          const auto arg = static_cast<size_t>(instr.args[a]);
          const bool again = a > 0 && instr.args[a] == instr.args[0];
          const bool over = last[arg] == i && part_.code[arg].scalar == scalars;
          if (over && !again) free.push_back(place[arg]);
        }
      };
      free_args(/*scalars=*/false);
      if (last[static_cast<size_t>(i)] >= 0) {  // not a store
        if (free.empty()) free.push_back(places++);
        place[static_cast<size_t>(i)] = free.back();
        free.pop_back();
      }
      free_args(/*scalars=*/true);
    }
    const int64_t stride = (std::max(heads_ * size_, part_.width * whole_) + kTileAlignment - 1) /
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
    const int64_t all = tile.heads * count;
    float* y = tiles_[i];
    switch (instr.code) {
      case Code::kLoad:
        return WithFloatType(instr.dtype, [&]<class T>(T) { Load<T>(i, tile, count); });
      case Code::kNumber:
        std::fill_n(y, all, instr.number);
        return;
      case Code::kAdd:
        return Binary(instr, y, tile, count, [](VF a, VF b) RW_INLINED { return hn::Add(a, b); });
      case Code::kSub:
        return Binary(instr, y, tile, count, [](VF a, VF b) RW_INLINED { return hn::Sub(a, b); });
      case Code::kMul:
        return Binary(instr, y, tile, count, [](VF a, VF b) RW_INLINED { return hn::Mul(a, b); });
      case Code::kDiv:
        return Binary(instr, y, tile, count, [](VF a, VF b) RW_INLINED { return hn::Div(a, b); });
      case Code::kTanh:
        return Unary(instr, y, all, [](VF x) RW_INLINED { return Tanh(x); });
      case Code::kSilu:
        return Unary(instr, y, all, [](VF x) RW_INLINED { return SiluVector(x); });
      case Code::kGelu:
        return Unary(instr, y, all, [](VF x) RW_INLINED { return GeluVector(x); });
      case Code::kGeluTanh:
        return Unary(instr, y, all, [](VF x) RW_INLINED { return GeluTanhVector(x); });
      case Code::kRound:
        return instr.dtype == DType::kBF16
                   ? Unary(instr, y, all, [](VF x) RW_INLINED { return Round<BF16>(x); })
                   : Unary(instr, y, all, [](VF x) RW_INLINED { return Round<F16>(x); });
      case Code::kSumSquares:
        for (int64_t h = 0; h < tile.heads; ++h) y[h] = SumOf(instr, h);
        return;
      case Code::kNormFactor:
        for (int64_t h = 0; h < tile.heads; ++h) {
          y[h] = NormFactor(Arg(instr, 0)[h], part_.width, instr.number);
        }
        return;
      case Code::kStore:
        return WithFloatType(call_.out[static_cast<size_t>(instr.port)].dtype,
                             [&]<class T>(T) { StoreAll<T>(instr, tile, count); });
      case Code::kStoreCache:
        return WithCacheType(call_.kv->dtype,
                             [&]<class T>(T) { StoreToSlot<T>(instr, tile, count); });
    }
  }

  const float* Arg(const Instr& instr, size_t i) const {
    return at_[static_cast<size_t>(instr.args[i])];
  }
  bool IsScalar(const Instr& instr, size_t i) const {
    return part_.code[static_cast<size_t>(instr.args[i])].scalar;
  }
  // Whether heads lie in memory as they do in a tile.
  bool IsWhole(const Instr& instr) const {
    return instr.rows == native::Rows::kOwn && instr.at.stride == 1 &&
           instr.at.length == part_.width;
  }

  template <class Fn>
  HWY_INLINE void Unary(const Instr& instr, float* y, int64_t count, const Fn& fn) const {
    Map(count, y, fn, Arg(instr, 0));
  }
  template <class Fn>
  HWY_INLINE void Binary(const Instr& instr, float* y, const Tile& tile, int64_t count,
                         const Fn& fn) const {
    const float* a = Arg(instr, 0);
    const float* b = Arg(instr, 1);
    if (IsScalar(instr, 0) == IsScalar(instr, 1)) return Map(tile.heads * count, y, fn, a, b);
    for (int64_t h = 0; h < tile.heads; ++h) {
      if (IsScalar(instr, 0)) {
        const VF one = Set(a[h]);
        Map(
            count, y + h * count, [&](VF x) RW_INLINED { return fn(one, x); }, b + h * count);
      } else {
        const VF one = Set(b[h]);
        Map(
            count, y + h * count, [&](VF x) RW_INLINED { return fn(x, one); }, a + h * count);
      }
    }
  }

  template <class T>
  HWY_INLINE void LoadRun(const T* x, int64_t stride, int64_t count, float* y) const {
    if (stride == 1) return Convert(x, y, count);
    for (int64_t j = 0; j < count; ++j) y[j] = ToFloat(x[j * stride]);
  }
  // Floats without a gap are read where they lie; what all heads share is there for each.
  template <class T>
  HWY_INLINE void Load(size_t i, const Tile& tile, int64_t count) {
    const Instr& instr = part_.code[i];
    const auto row = [&](int64_t h) {
      return reinterpret_cast<const T*>(LoadFrom(call_, part_, instr, {tile.i, tile.head + h})) +
             tile.begin * instr.at.stride;
    };
    const bool one_run = tile.heads == 1 || IsWhole(instr);
    if constexpr (std::is_same_v<T, float>) {
      if (one_run && instr.at.stride == 1) {
        at_[i] = row(0);
        return;
      }
    }
    float* y = tiles_[i];
    at_[i] = y;
    if (one_run) return LoadRun(row(0), instr.at.stride, tile.heads * count, y);
    if (instr.rows == native::Rows::kOwn) {
      for (int64_t h = 0; h < tile.heads; ++h) {
        LoadRun(row(h), instr.at.stride, count, y + h * count);
      }
      return;
    }
    LoadRun(row(0), instr.at.stride, count, y);
    for (int64_t h = 1; h < tile.heads; ++h) std::copy_n(y, count, y + h * count);
  }

  template <class T>
  HWY_INLINE void StoreRun(const float* x, T* y, int64_t stride, int64_t count, float scale) const {
    if (stride != 1) {
      for (int64_t j = 0; j < count; ++j) {
        y[j * stride] = RoundTo<T>(std::is_same_v<T, F8E4M3> ? x[j] / scale : x[j]);
      }
    } else if constexpr (std::is_same_v<T, F8E4M3>) {
      const VF unit = Set(scale);
      Map(
          count, y, [unit](VF v) RW_INLINED { return hn::Div(v, unit); }, x);
    } else {
      Convert(x, y, count);
    }
  }
  template <class T>
  HWY_INLINE void StoreAll(const Instr& instr, const Tile& tile, int64_t count) const {
    const int64_t runs = IsWhole(instr) ? 1 : tile.heads;
    for (int64_t h = 0; h < runs; ++h) {
      T* y = reinterpret_cast<T*>(StoreTo(call_, part_, instr, {tile.i, tile.head + h}));
      StoreRun(Arg(instr, 0) + h * count, y + tile.begin * instr.at.stride, instr.at.stride,
               tile.heads / runs * count, 1);
    }
  }
  template <class T>
  HWY_INLINE void StoreToSlot(const Instr& instr, const Tile& tile, int64_t count) const {
    for (int64_t h = 0; h < tile.heads; ++h) {
      const CachePlace to = StoreToCache(call_, instr, {tile.i, tile.head + h});
      if (to.data == nullptr) return;  // as for all heads
      StoreRun(Arg(instr, 0) + h * count,
               reinterpret_cast<T*>(to.data) + tile.begin * instr.at.stride, instr.at.stride, count,
               to.scale);
    }
  }

  // Of a whole row, its elements in their order.
  float SumOf(const Instr& instr, int64_t head) const {
    if (instr.args.size() == 1) {
      return SumSquares(Arg(instr, 0) + head * part_.width, part_.width);
    }
    for (size_t s = 0; s < instr.args.size(); ++s) {
      const native::Segment& at = part_.segments[s];
      const float* x = Arg(instr, s) + head * at.length;
      for (int64_t j = 0; j < at.length; ++j) row_[at.begin + j * at.stride] = x[j];
    }
    return SumSquares(row_, part_.width);
  }

  const KernelCall& call_;
  const Part& part_;
  int64_t longest_ = 0;           // segment
  int64_t size_ = 0, heads_ = 1;  // most of a tile
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
