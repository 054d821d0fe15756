// The table: complete, without doubles, and chosen from by the caller's order of providers.
#include <set>

#include "kernels/cpu/testing.h"

namespace rw {
namespace {

TEST(KernelTable, EveryOpHasOneReferenceRow) {
  std::multiset<std::string_view> reference;
  for (const KernelRow& row : KernelTable()) {
    if (row.provider == "reference") reference.insert(row.op);
  }
  EXPECT_THAT(reference,
              ::testing::ElementsAre("add", "add_rms_norm", "attention", "embed", "gather_rows",
                                     "gelu", "gelu_mul", "gelu_tanh", "gelu_tanh_mul", "kv_write",
                                     "linear", "linear2", "linear3", "mul", "qk_norm_rope",
                                     "qk_norm_rope_kv_write", "rms_norm", "rope", "rope_kv_write",
                                     "sample", "scale", "silu", "silu_mul", "softcap"));
}

// Products with more in the same call state their meaning as a composition (src/ops/linear.cc).
bool IsComposed(std::string_view op) {
  return op.starts_with("rms_norm_linear") || op == "linear_add" || op == "linear2_act_mul" ||
         op == "linear3_rope_kv_write";
}

TEST(KernelTable, RowsAreUniqueAndEveryOtherProviderHasAReference) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const KernelRow& row : KernelTable()) {
    EXPECT_TRUE(seen.emplace(row.provider, row.op).second) << row.op;
  }
  for (const auto& [provider, op] : seen) {
    EXPECT_TRUE(seen.contains({"reference", op}) || IsComposed(op)) << op << " of " << provider;
  }
}

TEST(FindKernel, FollowsTheOrderOfProviders) {
  const std::array in = {DType::kBF16, DType::kF32};
  const std::array out = {DType::kF32};
  const auto find = [&](std::span<const std::string_view> providers) {
    return FindKernel("linear", Device::kCpu, {in, out}, {}, providers);
  };
  EXPECT_EQ(find(std::array<std::string_view, 2>{"simd", "reference"})->provider, "simd");
  EXPECT_EQ(find(std::array<std::string_view, 2>{"reference", "simd"})->provider, "reference");
  EXPECT_EQ(find(std::array<std::string_view, 1>{"gpu"}), nullptr);
}

TEST(FindKernel, HoldsTypesAgainstTheSignature) {
  constexpr std::array<std::string_view, 1> kReference = {"reference"};
  const auto accepts = [&](std::string_view op, std::vector<DType> in, std::vector<DType> out) {
    return FindKernel(op, Device::kCpu, {in, out}, {}, kReference) != nullptr;
  };
  const DType f32 = DType::kF32, bf16 = DType::kBF16, i32 = DType::kI32;
  EXPECT_TRUE(accepts("add", {bf16, bf16}, {bf16}));
  EXPECT_FALSE(accepts("add", {bf16, f32}, {bf16}));
  EXPECT_FALSE(accepts("add", {bf16, bf16}, {f32}));
  EXPECT_FALSE(accepts("add", {i32, i32}, {i32}));
  EXPECT_TRUE(accepts("linear", {bf16, f32, bf16}, {f32}));
  EXPECT_FALSE(accepts("linear", {f32, f32}, {bf16}));
  EXPECT_FALSE(accepts("linear", {bf16}, {bf16}));
  EXPECT_TRUE(accepts("embed", {i32, bf16}, {f32}));
  EXPECT_FALSE(accepts("embed", {f32, bf16}, {f32}));
  EXPECT_TRUE(accepts("sample", {bf16, f32, i32}, {i32}));
  EXPECT_FALSE(accepts("sample", {i32, f32, i32}, {i32}));
  EXPECT_FALSE(accepts("sample", {bf16, bf16, i32}, {i32}));
  EXPECT_FALSE(accepts("sample", {f32, f32, i32}, {f32}));
  EXPECT_TRUE(accepts("rope", {bf16, bf16, i32, f32}, {bf16, bf16}));
  EXPECT_FALSE(accepts("rope", {bf16, bf16, i32, bf16}, {bf16, bf16}));
  EXPECT_TRUE(accepts("kv_write", {bf16, bf16, i32}, {}));
  EXPECT_TRUE(accepts("attention", {f32, i32, i32, i32}, {f32}));
  EXPECT_FALSE(accepts("attention", {f32, i32, i32, i32}, {bf16}));
  EXPECT_TRUE(accepts("silu_mul", {bf16, bf16}, {bf16}));
  EXPECT_TRUE(accepts("add_rms_norm", {bf16, bf16, f32}, {bf16, bf16}));
  EXPECT_FALSE(accepts("add_rms_norm", {bf16, bf16, f32}, {bf16, f32}));
  EXPECT_TRUE(accepts("linear2", {f32, bf16, f32}, {f32, f32}));
  EXPECT_TRUE(accepts("linear2", {f32, bf16, f32, bf16}, {f32, f32}));
  EXPECT_FALSE(accepts("linear2", {f32, bf16, f32, bf16, bf16, bf16}, {f32, f32}));
  EXPECT_FALSE(accepts("linear2", {f32, bf16}, {f32, f32}));
  EXPECT_FALSE(accepts("linear3", {f32, bf16, bf16}, {f32, f32, f32}));
  EXPECT_TRUE(accepts("linear3", {f32, bf16, bf16, f32, f32, f32, f32}, {f32, f32, f32}));
  EXPECT_TRUE(accepts("rope_kv_write", {bf16, bf16, bf16, i32, f32, i32}, {bf16}));
  EXPECT_FALSE(accepts("rope_kv_write", {bf16, bf16, bf16, i32, bf16, i32}, {bf16}));
  EXPECT_TRUE(accepts("qk_norm_rope", {bf16, bf16, f32, bf16, i32, f32}, {bf16, bf16}));
  EXPECT_TRUE(accepts("qk_norm_rope_kv_write", {f32, f32, f32, bf16, f32, i32, f32, i32}, {f32}));
}

}  // namespace
}  // namespace rw
