#include "kernels/args.h"
#include "kernels/cpu/reference/reference.h"
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
  Unary(call, [](VF x) RW_INLINED { return SiluVector(x); });
}

void Gelu(const KernelCall& call) {
  Unary(call, [](VF x) RW_INLINED { return GeluVector(x); });
}

void GeluTanh(const KernelCall& call) {
  Unary(call, [](VF x) RW_INLINED { return GeluTanhVector(x); });
}

void Softcap(const KernelCall& call) {
  const auto cap = static_cast<float>(call.attrs.Float("cap"));
  Unary(call, [cap](VF x) RW_INLINED { return hn::Mul(Set(cap), Tanh(hn::Div(x, Set(cap)))); });
}

// y = act(gate) * up, the activation rounded as if it had been stored.
template <class Fn>
void Gated(const KernelCall& call, const Fn& act) {
  const BinaryArgs args = ReadBinary(call);
  WithFloatType(args.a.dtype, [&]<class T>(T) {
    MapBinary<T>(args, call.pool,
                 [&act](VF gate, VF up) RW_INLINED { return hn::Mul(Round<T>(act(gate)), up); });
  });
}

void SiluMul(const KernelCall& call) {
  Gated(call, [](VF x) RW_INLINED { return SiluVector(x); });
}

void GeluMul(const KernelCall& call) {
  Gated(call, [](VF x) RW_INLINED { return GeluVector(x); });
}

void GeluTanhMul(const KernelCall& call) {
  Gated(call, [](VF x) RW_INLINED { return GeluTanhVector(x); });
}

#else  // no vectors: the reference
using reference::Add;
using reference::Gelu;
using reference::GeluMul;
using reference::GeluTanh;
using reference::GeluTanhMul;
using reference::Mul;
using reference::Scale;
using reference::Silu;
using reference::SiluMul;
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
HWY_EXPORT(SiluMul);
HWY_EXPORT(GeluMul);
HWY_EXPORT(GeluTanhMul);

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
    {"silu_mul", Device::kCpu, kProvider, AcceptsBinary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(SiluMul)
       (call);
     }},
    {"gelu_mul", Device::kCpu, kProvider, AcceptsBinary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(GeluMul)
       (call);
     }},
    {"gelu_tanh_mul", Device::kCpu, kProvider, AcceptsBinary,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(GeluTanhMul)
       (call);
     }},
};

}  // namespace

std::span<const KernelRow> ElementwiseRows() { return kRows; }

}  // namespace rw::simd
#endif  // HWY_ONCE
