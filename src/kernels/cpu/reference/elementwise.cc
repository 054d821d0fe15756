#include "kernels/args.h"
#include "kernels/cpu/reference/float_rows.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/scalar_math.h"

namespace rw::reference {
namespace {

// y = fn(x), element by element.
template <class Fn>
void ForEach(const KernelCall& call, const Fn& fn) {
  const UnaryArgs args = ReadUnary(call);
  call.pool.ParallelFor(args.x.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<float> row = ReadRow(args.x, i);
      for (float& value : row) value = fn(value);
      WriteRow(args.y, i, row);
    }
  });
}

// y = fn(a, b), element by element.
template <class Fn>
void ForEachPair(const KernelCall& call, const Fn& fn) {
  const BinaryArgs args = ReadBinary(call);
  call.pool.ParallelFor(args.a.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<float> a = ReadRow(args.a, i);
      const std::vector<float> b = ReadRow(args.b, i);
      for (size_t j = 0; j < a.size(); ++j) a[j] = fn(a[j], b[j]);
      WriteRow(args.y, i, a);
    }
  });
}

// y = act(gate) * up, the activation rounded as if it had been stored.
template <class Fn>
void Gated(const KernelCall& call, const Fn& act) {
  WithFloatType(call.out[0].dtype, [&]<class T>(T) {
    ForEachPair(call, [&](float gate, float up) { return ToFloat(RoundTo<T>(act(gate))) * up; });
  });
}

constexpr KernelRow kRows[] = {
    {"add", Device::kCpu, kProvider, AcceptsBinary, Add},
    {"mul", Device::kCpu, kProvider, AcceptsBinary, Mul},
    {"scale", Device::kCpu, kProvider, AcceptsUnary, Scale},
    {"silu", Device::kCpu, kProvider, AcceptsUnary, Silu},
    {"gelu", Device::kCpu, kProvider, AcceptsUnary, Gelu},
    {"gelu_tanh", Device::kCpu, kProvider, AcceptsUnary, GeluTanh},
    {"softcap", Device::kCpu, kProvider, AcceptsUnary, Softcap},
    {"silu_mul", Device::kCpu, kProvider, AcceptsBinary, SiluMul},
    {"gelu_mul", Device::kCpu, kProvider, AcceptsBinary, GeluMul},
    {"gelu_tanh_mul", Device::kCpu, kProvider, AcceptsBinary, GeluTanhMul},
};

}  // namespace

void Add(const KernelCall& call) {
  ForEachPair(call, [](float a, float b) { return a + b; });
}
void Mul(const KernelCall& call) {
  ForEachPair(call, [](float a, float b) { return a * b; });
}
void Scale(const KernelCall& call) {
  const auto by = static_cast<float>(call.attrs.Float("by"));
  ForEach(call, [by](float x) { return x * by; });
}
void Silu(const KernelCall& call) {
  ForEach(call, [](float x) { return rw::Silu(x); });
}
void Gelu(const KernelCall& call) {
  ForEach(call, [](float x) { return rw::Gelu(x); });
}
void GeluTanh(const KernelCall& call) {
  ForEach(call, [](float x) { return rw::GeluTanh(x); });
}
void Softcap(const KernelCall& call) {
  const auto cap = static_cast<float>(call.attrs.Float("cap"));
  ForEach(call, [cap](float x) { return rw::Softcap(x, cap); });
}

void SiluMul(const KernelCall& call) {
  Gated(call, [](float x) { return rw::Silu(x); });
}
void GeluMul(const KernelCall& call) {
  Gated(call, [](float x) { return rw::Gelu(x); });
}
void GeluTanhMul(const KernelCall& call) {
  Gated(call, [](float x) { return rw::GeluTanh(x); });
}

std::span<const KernelRow> ElementwiseRows() { return kRows; }

}  // namespace rw::reference
