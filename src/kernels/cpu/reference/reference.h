// The reference provider: scalar kernels that state what each op means. A kernel reads a row as
// floats, computes in float32, and rounds once where it stores.
#pragma once

#include <span>

#include "kernels/kernel.h"

namespace rw::reference {

inline constexpr std::string_view kProvider = "reference";

// add, mul, scale, silu, gelu, gelu_tanh, softcap; silu_mul, gelu_mul, gelu_tanh_mul
std::span<const KernelRow> ElementwiseRows();
std::span<const KernelRow> RowOpRows();      // embed, gather_rows, sample, kv_write
std::span<const KernelRow> NormRows();       // rms_norm, add_rms_norm
std::span<const KernelRow> LinearRows();     // linear, linear2, linear3
std::span<const KernelRow> RopeRows();       // rope, rope_kv_write, qk_norm_rope(_kv_write)
std::span<const KernelRow> AttentionRows();  // attention
extern const KernelRow kNativeRow;           // programs (native/program.h)

// The kernels themselves: a vector provider runs them on machines without vectors. RmsNorm, Linear
// and Rope serve their fused ops too.
void Add(const KernelCall& call);
void Mul(const KernelCall& call);
void Scale(const KernelCall& call);
void Silu(const KernelCall& call);
void Gelu(const KernelCall& call);
void GeluTanh(const KernelCall& call);
void Softcap(const KernelCall& call);
void SiluMul(const KernelCall& call);
void GeluMul(const KernelCall& call);
void GeluTanhMul(const KernelCall& call);
void Embed(const KernelCall& call);
void GatherRows(const KernelCall& call);
void Sample(const KernelCall& call);
void KvWrite(const KernelCall& call);
void RmsNorm(const KernelCall& call);
void Linear(const KernelCall& call);
// Embed and Linear with packed weights, which they hand on.
void PackedEmbed(const KernelCall& call);
void PackedLinear(const KernelCall& call);
void Rope(const KernelCall& call);
void Attention(const KernelCall& call);
void Native(const KernelCall& call);  // KernelCall::program

}  // namespace rw::reference
