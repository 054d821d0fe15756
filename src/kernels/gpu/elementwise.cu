// Ops that take each element by itself: one thread for a pack of elements of a row.
#include <array>

#include "kernels/args.h"
#include "kernels/gpu/gpu.h"
#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/types.cuh"
#include "kernels/scalar_math.h"

namespace rw::gpu {
namespace {

constexpr int kThreads = 256;

// The operations. `b` is the second operand, where there is one; `by` the op's number.
struct AddFn {
  template <class T>
  __device__ static float Of(float a, float b, float) {
    return a + b;
  }
};
struct MulFn {
  template <class T>
  __device__ static float Of(float a, float b, float) {
    return a * b;
  }
};
struct ScaleFn {
  template <class T>
  __device__ static float Of(float a, float, float by) {
    return a * by;
  }
};
struct SiluFn {
  template <class T>
  __device__ static float Of(float a, float, float) {
    return Silu(a);
  }
};
struct GeluFn {
  template <class T>
  __device__ static float Of(float a, float, float) {
    return Gelu(a);
  }
};
struct GeluTanhFn {
  template <class T>
  __device__ static float Of(float a, float, float) {
    return GeluTanh(a);
  }
};
struct SoftcapFn {
  template <class T>
  __device__ static float Of(float a, float, float by) {
    return Softcap(a, by);
  }
};
// act(a) * b, the activation rounded as if it had been stored.
template <class Act>
struct GatedFn {
  template <class T>
  __device__ static float Of(float a, float b, float) {
    return Through<T>(Act::template Of<T>(a, 0, 0)) * b;
  }
};

struct Params {
  const void* a;
  const void* b;  // null for one operand
  void* y;
  int64_t rows, packs;  // packs of a row
  int64_t a_stride, b_stride, y_stride;
  float by;
};

template <class Fn, class T, int kCount>
__global__ void __launch_bounds__(kThreads) ElementwiseKernel(Params p) {
  WaitForPrevious();
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= p.rows * p.packs) return;
  const int64_t row = i / p.packs;
  const int64_t at = i % p.packs * kCount;
  const auto a = LoadPack<T, kCount>(static_cast<const T*>(p.a) + row * p.a_stride + at);
  Pack<T, kCount> b{};
  if (p.b != nullptr) b = LoadPack<T, kCount>(static_cast<const T*>(p.b) + row * p.b_stride + at);
  Pack<T, kCount> y;
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    y.at[j] = Narrow<T>(Fn::template Of<T>(Widen(a.at[j]), Widen(b.at[j]), p.by));
  }
  StorePack(static_cast<T*>(p.y) + row * p.y_stride + at, y);
}

template <class Fn, class T, int kCount>
void Start(const KernelCall& call, const Params& p) {
  const auto blocks = static_cast<unsigned>(CeilDiv(p.rows * p.packs, kThreads));
  Launch(QueueOf(call), ElementwiseKernel<Fn, T, kCount>, blocks, kThreads, 0, p);
}

template <class Fn>
void Run(const KernelCall& call, const TensorView& a, const TensorView* b, const TensorView& y,
         float by) {
  WithFloatType(y.dtype, [&]<class T>(T) {
    Params p{a.data,       b == nullptr ? nullptr : b->data, y.data,       y.rows(), y.width(),
             a.row_stride, b == nullptr ? 0 : b->row_stride, y.row_stride, by};
    const bool packs =
        Packs<T, kPack<T>>(a) && Packs<T, kPack<T>>(y) && (b == nullptr || Packs<T, kPack<T>>(*b));
    if (!packs) return Start<Fn, T, 1>(call, p);
    p.packs /= kPack<T>;
    Start<Fn, T, kPack<T>>(call, p);
  });
}

template <class Fn>
void RunUnary(const KernelCall& call) {
  const UnaryArgs args = ReadUnary(call);
  Run<Fn>(call, args.x, nullptr, args.y, 0);
}
template <class Fn>
void RunBinary(const KernelCall& call) {
  const BinaryArgs args = ReadBinary(call);
  Run<Fn>(call, args.a, &args.b, args.y, 0);
}
void RunScale(const KernelCall& call) {
  const UnaryArgs args = ReadUnary(call);
  Run<ScaleFn>(call, args.x, nullptr, args.y, static_cast<float>(call.attrs.Float("by")));
}
void RunSoftcap(const KernelCall& call) {
  const UnaryArgs args = ReadUnary(call);
  Run<SoftcapFn>(call, args.x, nullptr, args.y, static_cast<float>(call.attrs.Float("cap")));
}

constexpr std::array kRows = {
    KernelRow{"add", kDevice, kProvider, AcceptsBinary, RunBinary<AddFn>},
    KernelRow{"mul", kDevice, kProvider, AcceptsBinary, RunBinary<MulFn>},
    KernelRow{"scale", kDevice, kProvider, AcceptsUnary, RunScale},
    KernelRow{"silu", kDevice, kProvider, AcceptsUnary, RunUnary<SiluFn>},
    KernelRow{"gelu", kDevice, kProvider, AcceptsUnary, RunUnary<GeluFn>},
    KernelRow{"gelu_tanh", kDevice, kProvider, AcceptsUnary, RunUnary<GeluTanhFn>},
    KernelRow{"softcap", kDevice, kProvider, AcceptsUnary, RunSoftcap},
    KernelRow{"silu_mul", kDevice, kProvider, AcceptsBinary, RunBinary<GatedFn<SiluFn>>},
    KernelRow{"gelu_mul", kDevice, kProvider, AcceptsBinary, RunBinary<GatedFn<GeluFn>>},
    KernelRow{"gelu_tanh_mul", kDevice, kProvider, AcceptsBinary, RunBinary<GatedFn<GeluTanhFn>>},
};

}  // namespace

std::span<const KernelRow> ElementwiseRows() { return kRows; }

}  // namespace rw::gpu
