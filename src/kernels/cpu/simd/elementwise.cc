#include "kernels/cpu/args.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/scalar_math.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/simd/work.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/elementwise.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

template <class T, class Fn>
void MapUnary(const UnaryArgs& args, ThreadPool& pool, const Fn& fn) {
  ForPieces(pool, args.x.rows(), args.x.width(), args.x.contiguous() && args.y.contiguous(),
            [&](int64_t row, int64_t first, int64_t count) HWY_ATTR {
              Map(count, args.y.row<T>(row) + first, fn, args.x.row<const T>(row) + first);
            });
}

template <class Fn>
void Unary(const KernelCall& call, const Fn& fn) {
  const UnaryArgs args = ReadUnary(call);
  WithFloatType(args.x.dtype, [&]<class T>(T) { MapUnary<T>(args, call.pool, fn); });
}

template <class T, class Fn>
void MapBinary(const BinaryArgs& args, ThreadPool& pool, const Fn& fn) {
  const bool contiguous = args.a.contiguous() && args.b.contiguous() && args.y.contiguous();
  ForPieces(pool, args.a.rows(), args.a.width(), contiguous,
            [&](int64_t row, int64_t first, int64_t count) HWY_ATTR {
              Map(count, args.y.row<T>(row) + first, fn, args.a.row<const T>(row) + first,
                  args.b.row<const T>(row) + first);
            });
}

template <class Fn>
void Binary(const KernelCall& call, const Fn& fn) {
  const BinaryArgs args = ReadBinary(call);
  WithFloatType(args.a.dtype, [&]<class T>(T) { MapBinary<T>(args, call.pool, fn); });
}

void Add(const KernelCall& call) {
  Binary(call, [](VF a, VF b) RW_INLINED { return hn::Add(a, b); });
}

void Mul(const KernelCall& call) {
  Binary(call, [](VF a, VF b) RW_INLINED { return hn::Mul(a, b); });
}

void Scale(const KernelCall& call) {
  const auto by = static_cast<float>(call.attrs.Float("by"));
  Unary(call, [by](VF x) RW_INLINED { return hn::Mul(x, Set(by)); });
}

void Silu(const KernelCall& call) {
  Unary(call, [](VF x) RW_INLINED { return hn::Div(x, hn::Add(Set(1.0f), Exp(hn::Neg(x)))); });
}

void Gelu(const KernelCall& call) {
  Unary(call, [](VF x) RW_INLINED {
    const VF erf = Erf(hn::Mul(x, Set(kSqrtHalf)));
    return hn::Mul(hn::Mul(x, Set(0.5f)), hn::Add(Set(1.0f), erf));
  });
}

void GeluTanh(const KernelCall& call) {
  Unary(call, [](VF x) RW_INLINED {
    const VF cube = hn::Mul(hn::Mul(x, x), x);
    const VF inner = hn::Mul(Set(kGeluBeta), hn::Add(x, hn::Mul(Set(kGeluCubic), cube)));
    return hn::Mul(hn::Mul(Set(0.5f), x), hn::Add(Set(1.0f), Tanh(inner)));
  });
}

void Softcap(const KernelCall& call) {
  const auto cap = static_cast<float>(call.attrs.Float("cap"));
  Unary(call, [cap](VF x) RW_INLINED { return hn::Mul(Set(cap), Tanh(hn::Div(x, Set(cap)))); });
}

#else  // no vectors: the reference
using reference::Add;
using reference::Gelu;
using reference::GeluTanh;
using reference::Mul;
using reference::Scale;
using reference::Silu;
using reference::Softcap;
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(Add);
HWY_EXPORT(Mul);
HWY_EXPORT(Scale);
HWY_EXPORT(Silu);
HWY_EXPORT(Gelu);
HWY_EXPORT(GeluTanh);
HWY_EXPORT(Softcap);

constexpr KernelRow kRows[] = {
    {"add", Device::kCpu, kProvider, AcceptsBinary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Add)
       (call);
     }},
    {"mul", Device::kCpu, kProvider, AcceptsBinary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Mul)
       (call);
     }},
    {"scale", Device::kCpu, kProvider, AcceptsUnary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Scale)
       (call);
     }},
    {"silu", Device::kCpu, kProvider, AcceptsUnary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Silu)
       (call);
     }},
    {"gelu", Device::kCpu, kProvider, AcceptsUnary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Gelu)
       (call);
     }},
    {"gelu_tanh", Device::kCpu, kProvider, AcceptsUnary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(GeluTanh)
       (call);
     }},
    {"softcap", Device::kCpu, kProvider, AcceptsUnary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Softcap)
       (call);
     }},
};

}  // namespace

std::span<const KernelRow> ElementwiseRows() { return kRows; }

}  // namespace rw::simd
#endif  // HWY_ONCE
