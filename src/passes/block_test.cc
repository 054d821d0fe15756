// The fusions of the MLP and of the residual stream, and the merged projections.
#include "passes/testing.h"

namespace rw::testing {
namespace {

const std::string kMlp = R"(graph mlp
input %x: bf16[n,64]
weight @g: bf16[96,64]
weight @u: f16[96,64]
weight @d: bf16[64,96]
%gate = linear(%x, @g): bf16[n,96] layer 1
%up = linear(%x, @u): bf16[n,96] layer 1
%act = silu(%gate): bf16[n,96] layer 1
%y = mul(%act, %up): bf16[n,96] layer 1
%out = linear(%y, @d): bf16[n,64] layer 1
output %out
)";

TEST(FuseActMul, JoinsTheActivationAndTheProduct) {
  const Ran ran = RunPass(kMlp, Knob::kFuseActMul);
  EXPECT_THAT(ran.text, HasSubstr("%y = silu_mul(%gate, %up): bf16[n,96] layer 1\n%out"));
  EXPECT_THAT(ran.layers, ElementsAre(1));
  EXPECT_THAT(RunPass(With(kMlp, "silu(", "gelu("), Knob::kFuseActMul).text,
              HasSubstr("gelu_mul(%gate, %up)"));
  EXPECT_THAT(RunPass(With(kMlp, "silu(", "gelu_tanh("), Knob::kFuseActMul).text,
              HasSubstr("gelu_tanh_mul(%gate, %up)"));
}

TEST(FuseActMul, EitherOrderOfTheProduct) {
  EXPECT_THAT(RunPass(With(kMlp, "mul(%act, %up)", "mul(%up, %act)"), Knob::kFuseActMul).text,
              HasSubstr("silu_mul(%gate, %up)"));
  // Both factors are the activation: it has one reader, the product.
  EXPECT_THAT(RunPass(With(kMlp, "mul(%act, %up)", "mul(%act, %gate)"), Knob::kFuseActMul).text,
              HasSubstr("silu_mul(%gate, %gate)"));
}

TEST(FuseActMul, Declines) {
  ExpectDeclined(kMlp + "output %act\n", Knob::kFuseActMul, Reason::kValueUsedElsewhere, "%act");
  // The square of an activation reads it twice in one call: the fused op has no such operand.
  ExpectDeclined(With(kMlp, "mul(%act, %up)", "mul(%act, %act)"), Knob::kFuseActMul,
                 Reason::kAliasedOperands, "%act");
  ExpectNothing(With(kMlp, "%act = silu(%gate)", "%act = softcap(%gate) {cap = 2.0}"),
                Knob::kFuseActMul);
}

TEST(MergeGateUp, JoinsTwoProjectionsOfOneX) {
  const Ran ran = RunPass(kMlp, Knob::kMergeGateUp);
  EXPECT_THAT(ran.text,
              HasSubstr("%gate, %up = linear2(%x, @g, @u): bf16[n,96], bf16[n,96] layer 1\n%act"));
  ExpectNothing(kMlp, Knob::kMergeQkv);
}

const std::string kQkv = R"(graph qkv
input %x: f32[n,64]
weight @q: bf16[96,64]
weight @k: bf16[32,64]
weight @v: bf16[32,64]
weight @qb: bf16[96]
weight @kb: bf16[32]
weight @vb: bf16[32]
%q = linear(%x, @q, @qb): f32[n,96] layer 2
%k = linear(%x, @k, @kb): f32[n,32] layer 2
%v = linear(%x, @v, @vb): f32[n,32] layer 2
output %q
output %k
output %v
)";

TEST(MergeQkv, JoinsThreeProjectionsWithTheirBiases) {
  const Ran ran = RunPass(kQkv, Knob::kMergeQkv);
  EXPECT_THAT(ran.text, HasSubstr("%q, %k, %v = linear3(%x, @q, @k, @v, @qb, @kb, @vb): "
                                  "f32[n,96], f32[n,32], f32[n,32] layer 2\noutput"));
  ExpectNothing(kQkv, Knob::kMergeGateUp);
}

TEST(MergeQkv, Declines) {
  ExpectDeclined(With(kQkv, "linear(%x, @k, @kb)", "linear(%x, @k)"), Knob::kMergeQkv,
                 Reason::kDifferentAttributes, "only some have a bias");
  // q is read before v is projected, by what v is projected from.
  const std::string reader =
      "%n = rms_norm(%q, @nw) {eps = 1e-05, style = \"llama\"}: f32[n,96] layer 2\n";
  std::string text = With(kQkv, "weight @qb", "weight @nw: f32[96]\nweight @qb");
  text = With(text, "%k = linear", reader + "%k = linear");
  // That is no hindrance: the merged call stands where q's did.
  EXPECT_THAT(RunPass(text, Knob::kMergeQkv).layers, ElementsAre(2));
}

const std::string kResidual = R"(graph residual
input %x: bf16[n,64]
input %y: bf16[n,64]
weight @w: bf16[64]
%sum = add(%x, %y): bf16[n,64] layer 4
%normed = rms_norm(%sum, @w) {eps = 1e-05, style = "llama"}: bf16[n,64] layer 5
%next = add(%sum, %normed): bf16[n,64] layer 5
output %next
)";

TEST(FuseAddRmsNorm, JoinsTheSumAndItsNorm) {
  const Ran ran = RunPass(kResidual, Knob::kFuseAddRmsNorm);
  EXPECT_THAT(
      ran.text,
      HasSubstr("%sum, %normed = add_rms_norm(%x, %y, @w) {eps = 1e-05, style = \"llama\"}: "
                "bf16[n,64], bf16[n,64] layer 5\n%next"));
  EXPECT_THAT(ran.layers, ElementsAre(5));  // the layer that the norm opens
}

TEST(FuseAddRmsNorm, OneOfTwoNormsRidesAlong) {
  const std::string second =
      R"(%other = rms_norm(%sum, @w) {eps = 0.5, style = "olmo"}: bf16[n,64] layer 5
)";
  const Ran ran = RunPass(With(kResidual, "%next", second + "%next") + "output %other\n",
                          Knob::kFuseAddRmsNorm);
  EXPECT_THAT(ran.layers, ElementsAre(5));
  EXPECT_THAT(ran.text, HasSubstr("%other = rms_norm(%sum"));
}

TEST(FuseAddRmsNorm, NothingWhereTheSumIsNotNormalised) {
  ExpectNothing(With(kResidual, "rms_norm(%sum", "rms_norm(%x"), Knob::kFuseAddRmsNorm);
}

}  // namespace
}  // namespace rw::testing
