// Products with what comes before and after them in the same kernel: a norm of x, a residual added,
// a gate, rotation and the cache. For few tokens, where the steps between products cost as much as
// a part of their weights. Each equals the ops it stands for bit for bit.
#include <array>
#include <limits>

#include "kernels/args.h"
#include "kernels/gpu/gpu.h"
#include "kernels/gpu/linear.h"
#include "kernels/gpu/linear_skinny_outputs.cuh"
#include "kernels/gpu/linear_skinny_start.cuh"

namespace rw::gpu {
namespace {

#if !defined(__HIP_PLATFORM_AMD__)

constexpr LinearForm kAdd{1, false, "T"};
constexpr LinearForm kActMul{2, false, ""}, kNormActMul{2, true, ""};
constexpr LinearForm kRope{3, false, "IFI"}, kNormRope{3, true, "IFI"};
constexpr LinearForm kNorm1{1, true, ""}, kNorm2{2, true, ""}, kNorm3{3, true, ""};

template <const LinearForm& kForm, class Output>
void Start(const KernelCall& call, const FusedLinearArgs& args, const Output& out) {
  RW_CHECK(args.products.front().n <= kSkinnyTokens, "{} tokens", args.products.front().n);
  skinny::Start<kForm.norms>(QueueOf(call), args.products, args.norm ? &*args.norm : nullptr, out);
}

// To results of their own: linear_add and rms_norm_linear, 2 and 3.
template <const LinearForm& kForm>
void RunRows(const KernelCall& call) {
  FusedLinearArgs args = ReadFusedLinear(call, kForm);
  for (size_t i = 0; i < args.products.size(); ++i) {
    LinearArgs& product = args.products[i];
    product.y = call.out[i];
    RW_CHECK(product.y.rows() == product.n && product.y.width() == product.m);
  }
  skinny::RowsOutput out = skinny::RowsOutputOf(args.products);
  if (!args.extra.empty()) {
    const TensorView& add = args.extra[0];
    RW_CHECK(add.rows() == args.products[0].n && add.width() == args.products[0].m);
    out.add = add.data;
    out.add_stride = add.row_stride;
  }
  Start<kForm>(call, args, out);
}

template <const LinearForm& kForm>
void RunActMul(const KernelCall& call) {
  const FusedLinearArgs args = ReadFusedLinear(call, kForm);
  const TensorView& y = call.out[0];
  for (const LinearArgs& product : args.products) {
    RW_CHECK(y.rows() == product.n && y.width() == product.m);
  }
  Start<kForm>(
      call, args,
      skinny::ActMulOutput{y.data, y.row_stride, static_cast<int>(y.width()), ReadGateAct(call)});
}

template <const LinearForm& kForm>
void RunRope(const KernelCall& call) {
  const FusedLinearArgs args = ReadFusedLinear(call, kForm);
  Start<kForm>(call, args, skinny::RopeOutput(ReadProductsRope(call, args)));
}

// x and every W of one 16-bit type.
template <const LinearForm& kForm>
bool Accepts(const KernelTypes& types, const Attrs&) {
  if (!AcceptsFusedLinear(types, kForm) || SizeOf(types.in[0]) != 2) return false;
  if (kForm.extra == "IFI") {
    if (types.in[5 + (kForm.norms ? 1 : 0)] != DType::kF32 || !IsCacheType(types.kv)) return false;
  }
  for (int i = 0; i < kForm.products; ++i) {
    if (types.in[i + (kForm.norms ? 2 : 1)] != types.in[0]) return false;
  }
  return true;
}

template <const LinearForm& kForm>
constexpr KernelRow Row(std::string_view op, void (*run)(const KernelCall&)) {
  return {op, kDevice, kProvider, Accepts<kForm>, run, kSkinnyTokens};
}
constexpr std::array kRows = {
    Row<kAdd>("linear_add", RunRows<kAdd>),
    Row<kActMul>("linear2_act_mul", RunActMul<kActMul>),
    Row<kRope>("linear3_rope_kv_write", RunRope<kRope>),
    Row<kNorm1>("rms_norm_linear", RunRows<kNorm1>),
    Row<kNorm2>("rms_norm_linear2", RunRows<kNorm2>),
    Row<kNorm3>("rms_norm_linear3", RunRows<kNorm3>),
    Row<kNormActMul>("rms_norm_linear2_act_mul", RunActMul<kNormActMul>),
    Row<kNormRope>("rms_norm_linear3_rope_kv_write", RunRope<kNormRope>),
};

#else

constexpr std::array<KernelRow, 0> kRows = {};

#endif

}  // namespace

std::span<const KernelRow> FusedLinearRows() { return kRows; }

}  // namespace rw::gpu
