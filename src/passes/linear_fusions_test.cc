// Projections with what follows them and the norm before them.
#include "passes/testing.h"

namespace rw::testing {
namespace {

const std::string kBlock = R"(graph block
input %positions: i32[n]
input %slots: i32[n]
input %rope: f32[m,16]
input %kv.0: kv<bf16>[2,16]
input %x: bf16[n,64]
weight @n: bf16[64]
weight @q: bf16[64,64]
weight @k: bf16[32,64]
weight @v: bf16[32,64]
weight @o: bf16[64,64]
%h = rms_norm(%x, @n) {eps = 1e-05, style = "llama"}: bf16[n,64] layer 3
%q = linear(%h, @q): bf16[n,64] layer 3
%k = linear(%h, @k): bf16[n,32] layer 3
%v = linear(%h, @v): bf16[n,32] layer 3
%qh = split_heads(%q) {d = 16}: bf16[n,4,16] layer 3
%kh = split_heads(%k) {d = 16}: bf16[n,2,16] layer 3
%vh = split_heads(%v) {d = 16}: bf16[n,2,16] layer 3
%qr, %kr = rope(%qh, %kh, %positions, %rope) {layout = "half"}: bf16[n,4,16], bf16[n,2,16] layer 3
%kv.1 = kv_write(%kr, %vh, %slots, %kv.0): kv<bf16>[2,16] layer 3
%a = merge_heads(%qr): bf16[n,64] layer 3
%p = linear(%a, @o): bf16[n,64] layer 3
%y = add(%x, %p): bf16[n,64] layer 3
output %y
output %kv.1
)";

const std::string kMlp = R"(graph mlp
input %x: bf16[n,64]
weight @n: bf16[64]
weight @g: bf16[96,64]
weight @u: bf16[96,64]
%h = rms_norm(%x, @n) {eps = 1e-05, style = "llama"}: bf16[n,64] layer 1
%gate = linear(%h, @g): bf16[n,96] layer 1
%up = linear(%h, @u): bf16[n,96] layer 1
%act = silu(%gate): bf16[n,96] layer 1
%y = mul(%act, %up): bf16[n,96] layer 1
output %y
)";

// Runs several passes, in the order of the pipeline.
std::string RunPasses(const std::string& text, std::vector<Knob> knobs) {
  return Calls(rw::RunPasses(Parse(text), {.fusions = std::move(knobs)}, kAnyKernel).graph);
}

TEST(FuseLinearRopeKvcache, JoinsProjectionsRopeAndWrite) {
  const Ran ran = RunPass(kBlock, Knob::kFuseLinearRopeKvcache);
  EXPECT_THAT(ran.layers, ElementsAre(3));
  EXPECT_THAT(ran.text,
              HasSubstr("%qr, %kv.1 = linear3_rope_kv_write(%h, @q, @k, @v, %positions, %rope, "
                        "%slots, %kv.0) {d = 16, layout = \"half\"}: bf16[n,4,16], "
                        "kv<bf16>[2,16] layer 3\n%a"));
}

TEST(FuseLinearRopeKvcache, TakesBiasesOfAllOrNone) {
  std::string text =
      With(kBlock, "weight @o", "weight @b: bf16[64]\nweight @c: bf16[32]\nweight @o");
  text = With(text, "linear(%h, @q)", "linear(%h, @q, @b)");
  ExpectDeclined(text, Knob::kFuseLinearRopeKvcache, Reason::kDifferentAttributes, "bias");
  text = With(text, "linear(%h, @k)", "linear(%h, @k, @c)");
  text = With(text, "linear(%h, @v)", "linear(%h, @v, @c)");
  EXPECT_THAT(RunPass(text, Knob::kFuseLinearRopeKvcache).text,
              HasSubstr("%kv.0, @b, @c, @c) {d = 16"));
}

TEST(FuseLinearRopeKvcache, Declines) {
  ExpectDeclined(kBlock + "output %k\n", Knob::kFuseLinearRopeKvcache, Reason::kValueUsedElsewhere,
                 "%k is an output of the graph");
  ExpectDeclined(With(kBlock, "linear(%h, @v)", "linear(%x, @v)"), Knob::kFuseLinearRopeKvcache,
                 Reason::kDifferentAttributes, "different x");
  // A norm of q between projection and rope, as of Qwen3.
  ExpectNothing(
      With(With(kBlock, "weight @o", "weight @qn: bf16[16]\nweight @o"), "%qr, %kr = rope(%qh,",
           "%qm = rms_norm(%qh, @qn) {eps = 1e-05, style = \"llama\"}: bf16[n,4,16] "
           "layer 3\n%qr, %kr = rope(%qm,"),
      Knob::kFuseLinearRopeKvcache);
}

TEST(FuseLinearActMul, JoinsGateUpActivationAndProduct) {
  const Ran ran = RunPass(kMlp, Knob::kFuseLinearActMul);
  EXPECT_THAT(ran.layers, ElementsAre(1));
  EXPECT_THAT(ran.text,
              HasSubstr("%y = linear2_act_mul(%h, @g, @u) {act = \"silu\"}: bf16[n,96] layer 1"));
  EXPECT_THAT(RunPass(With(kMlp, "silu(", "gelu_tanh("), Knob::kFuseLinearActMul).text,
              HasSubstr("{act = \"gelu_tanh\"}"));
  // The same bits either way round: the gate stays the gate.
  EXPECT_THAT(RunPass(With(kMlp, "mul(%act, %up)", "mul(%up, %act)"), Knob::kFuseLinearActMul).text,
              HasSubstr("linear2_act_mul(%h, @g, @u)"));
  ExpectDeclined(kMlp + "output %up\n", Knob::kFuseLinearActMul, Reason::kValueUsedElsewhere,
                 "%up");
  ExpectNothing(With(kMlp, "mul(%act, %up)", "mul(%act, %act)"), Knob::kFuseLinearActMul);
}

TEST(FuseLinearAdd, JoinsTheProjectionAndTheSum) {
  EXPECT_THAT(RunPass(kBlock, Knob::kFuseLinearAdd).text,
              HasSubstr("%y = linear_add(%a, @o, %x): bf16[n,64] layer 3"));
  EXPECT_THAT(RunPass(With(kBlock, "add(%x, %p)", "add(%p, %x)"), Knob::kFuseLinearAdd).text,
              HasSubstr("linear_add(%a, @o, %x)"));
  ExpectDeclined(kBlock + "output %p\n", Knob::kFuseLinearAdd, Reason::kValueUsedElsewhere, "%p");
}

TEST(FuseNormLinear, JoinsTheNormAndAllThatReadIt) {
  EXPECT_THAT(RunPass(kMlp, Knob::kFuseNormLinear).text,
              HasSubstr("%gate, %up = rms_norm_linear2(%x, @n, @g, @u) {eps = 1e-05, style = "
                        "\"llama\"}: bf16[n,96], bf16[n,96] layer 1\n%act"));
  EXPECT_THAT(RunPass(kBlock, Knob::kFuseNormLinear).text,
              HasSubstr("%q, %k, %v = rms_norm_linear3(%x, @n, @q, @k, @v)"));
  ExpectDeclined(kMlp + "output %h\n", Knob::kFuseNormLinear, Reason::kValueUsedElsewhere, "%h");
}

TEST(FuseNormLinear, FollowsTheOthers) {
  EXPECT_THAT(RunPasses(kMlp, {Knob::kFuseLinearActMul, Knob::kFuseNormLinear}),
              HasSubstr("%y = rms_norm_linear2_act_mul(%x, @n, @g, @u) {act = \"silu\", eps = "
                        "1e-05, style = \"llama\"}"));
  EXPECT_THAT(RunPasses(kBlock, {Knob::kFuseLinearRopeKvcache, Knob::kFuseNormLinear}),
              HasSubstr("rms_norm_linear3_rope_kv_write(%x, @n, @q, @k, @v, %positions, %rope, "
                        "%slots, %kv.0) {d = 16, eps = 1e-05, layout = \"half\", style"));
}

}  // namespace
}  // namespace rw::testing
