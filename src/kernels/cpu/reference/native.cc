// Programs in scalar arithmetic, a row at a time: what they mean.
#include <cmath>

#include "kernels/cpu/native_rows.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/dispatch.h"
#include "kernels/scalar_math.h"

namespace rw::reference {
namespace {

using native::Code;
using native::Instr;
using native::Part;
using Numbers = std::vector<float>;

class RowRun {
 public:
  RowRun(const KernelCall& call, const Part& part) : call_(call), part_(part) {
    numbers_.resize(part.code.size());
  }

  void Run(NativeRowIndex at) {
    for (size_t i = 0; i < part_.code.size(); ++i) {
      const Instr& instr = part_.code[i];
      Numbers& y = numbers_[i];
      y.resize(static_cast<size_t>(instr.length));
      switch (instr.code) {
        case Code::kLoad:
          Load(instr, at, y);
          break;
        case Code::kNumber:
          y[0] = instr.number;
          break;
        case Code::kSumSquares:
          y[0] = SumOf(instr);
          break;
        case Code::kNormFactor:
          y[0] = NormFactor(Arg(instr, 0)[0], part_.width, instr.number);
          break;
        case Code::kStore:
          Store(call_.out[static_cast<size_t>(instr.port)].dtype, instr,
                StoreTo(call_, part_, instr, at), 1);
          break;
        case Code::kStoreCache:
          if (const CachePlace to = StoreToCache(call_, instr, at); to.data != nullptr) {
            Store(call_.kv->dtype, instr, to.data,
                  call_.kv->dtype == DType::kF8E4M3 ? to.scale : 1);
          }
          break;
        default:
          for (size_t j = 0; j < y.size(); ++j) y[j] = Element(instr, j);
      }
    }
  }

 private:
  const Numbers& Arg(const Instr& instr, size_t i) const {
    return numbers_[static_cast<size_t>(instr.args[i])];
  }
  float ArgAt(const Instr& instr, size_t i, size_t j) const {
    const Numbers& x = Arg(instr, i);
    return part_.code[static_cast<size_t>(instr.args[i])].scalar ? x[0] : x[j];
  }

  float Element(const Instr& instr, size_t j) const {
    const float a = ArgAt(instr, 0, j);
    const float b = instr.args.size() > 1 ? ArgAt(instr, 1, j) : 0;
    switch (instr.code) {
      case Code::kAdd:
        return a + b;
      case Code::kSub:
        return a - b;
      case Code::kMul:
        return a * b;
      case Code::kDiv:
        return a / b;
      case Code::kTanh:
        return std::tanh(a);
      case Code::kSilu:
        return rw::Silu(a);
      case Code::kGelu:
        return rw::Gelu(a);
      case Code::kGeluTanh:
        return rw::GeluTanh(a);
      case Code::kRound: {
        float y = a;
        WithFloatType(instr.dtype, [&]<class T>(T) { y = ToFloat(RoundTo<T>(a)); });
        return y;
      }
      default:
        RW_CHECK(false, "no element-by-element code");
    }
    return 0;
  }

  void Load(const Instr& instr, NativeRowIndex at, Numbers& y) const {
    const std::byte* from = LoadFrom(call_, part_, instr, at);
    WithFloatType(instr.dtype, [&]<class T>(T) {
      const T* x = reinterpret_cast<const T*>(from);
      for (size_t j = 0; j < y.size(); ++j)
        y[j] = ToFloat(x[static_cast<int64_t>(j) * instr.at.stride]);
    });
  }

  void Store(DType dtype, const Instr& instr, std::byte* to, float scale) const {
    WithCacheType(dtype, [&]<class T>(T) {
      for (int64_t j = 0; j < instr.at.length; ++j) {
        const float x = ArgAt(instr, 0, static_cast<size_t>(j));
        reinterpret_cast<T*>(to)[j * instr.at.stride] =
            RoundTo<T>(std::is_same_v<T, F8E4M3> ? x / scale : x);
      }
    });
  }

  // Of the whole row, its elements in their order.
  float SumOf(const Instr& instr) const {
    Numbers row(static_cast<size_t>(part_.width));
    for (size_t s = 0; s < instr.args.size(); ++s) {
      const native::Segment& at = part_.segments[s];
      for (int64_t j = 0; j < at.length; ++j) {
        row[static_cast<size_t>(at.begin + j * at.stride)] = Arg(instr, s)[static_cast<size_t>(j)];
      }
    }
    return SumSquares(row.data(), part_.width);
  }

  const KernelCall& call_;
  const Part& part_;
  std::vector<Numbers> numbers_;  // by instruction
};

}  // namespace

void Native(const KernelCall& call) {
  for (const Part& part : call.program->parts) {
    const int64_t count = call.in[static_cast<size_t>(part.counted)].rows();
    call.pool.ParallelFor(count * part.heads, 1, [&](int64_t begin, int64_t end) {
      RowRun run(call, part);
      for (int64_t row = begin; row < end; ++row) run.Run({row / part.heads, row % part.heads});
    });
  }
}

const KernelRow kNativeRow = {"native", Device::kCpu, kProvider,
                              [](const KernelTypes&, const Attrs&) { return true; }, Native};

}  // namespace rw::reference
