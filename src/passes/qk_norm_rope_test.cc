#include "passes/testing.h"

namespace rw::testing {
namespace {

constexpr Knob kRopeOnly = Knob::kEnableQkNormRopeFusion;
constexpr Knob kWithWrite = Knob::kFuseQkNormRopeKvcache;

const std::string kHead = R"(graph qk_norm
input %positions: i32[n]
input %slots: i32[n]
input %rope: f32[m,16]
input %kv.0: kv<bf16>[2,16]
input %q: bf16[n,4,16]
input %k: bf16[n,2,16]
input %v: bf16[n,2,16]
weight @qw: f32[16]
weight @kw: bf16[16]
)";
const std::string kNorms =
    R"(%qn = rms_norm(%q, @qw) {eps = 1e-06, style = "llama"}: bf16[n,4,16] layer 3
%kn = rms_norm(%k, @kw) {eps = 1e-06, style = "llama"}: bf16[n,2,16] layer 3
)";
const std::string kRope =
    R"(%q1, %k1 = rope(%qn, %kn, %positions, %rope) {layout = "half"}: bf16[n,4,16], bf16[n,2,16] layer 3
)";
const std::string kWrite = R"(%kv.1 = kv_write(%k1, %v, %slots, %kv.0): kv<bf16>[2,16] layer 3
)";
const std::string kOutput = "output %q1\noutput %kv.1\n";
const std::string kText = kHead + kNorms + kRope + kWrite + kOutput;

TEST(QkNormRope, JoinsNormsAndRope) {
  const Ran ran = RunPass(kText, kRopeOnly);
  EXPECT_EQ(
      ran.text,
      R"(%q1, %k1 = qk_norm_rope(%q, %k, @qw, @kw, %positions, %rope) {eps = 1e-06, layout = "half", style = "llama"}: bf16[n,4,16], bf16[n,2,16] layer 3
)" + kWrite +
          kOutput);
  EXPECT_THAT(ran.layers, ElementsAre(3));
}

TEST(QkNormRope, JoinsTheWriteToo) {
  const Ran ran = RunPass(kText, kWithWrite);
  EXPECT_EQ(
      ran.text,
      R"(%q1, %kv.1 = qk_norm_rope_kv_write(%q, %k, %v, @qw, @kw, %positions, %rope, %slots, %kv.0) {eps = 1e-06, layout = "half", style = "llama"}: bf16[n,4,16], kv<bf16>[2,16] layer 3
)" + kOutput);
  EXPECT_THAT(ran.layers, ElementsAre(3));
}

TEST(QkNormRope, InterleavedPartialAndGemma) {
  std::string text = With(kText, "\"half\"", "\"interleaved\"");
  text = With(text, "f32[m,16]", "f32[m,4]");
  for (int i = 0; i < 2; ++i) text = With(text, "\"llama\"", "\"gemma\"");
  for (const Knob knob : {kRopeOnly, kWithWrite}) {
    EXPECT_THAT(RunPass(text, knob).text, HasSubstr("layout = \"interleaved\", style = \"gemma\""));
  }
}

TEST(QkNormRope, NormsThatDifferStayApart) {
  for (const Knob knob : {kRopeOnly, kWithWrite}) {
    ExpectDeclined(With(kText, "eps = 1e-06", "eps = 1e-05"), knob, Reason::kDifferentAttributes,
                   "differ in eps or style");
    ExpectDeclined(With(kText, "rope(%qn, %kn", "rope(%q, %kn"), knob, Reason::kDifferentAttributes,
                   "only k is normalised");
  }
}

TEST(QkNormRope, ANormOfTheWholeRowIsAnother) {
  const std::string whole = With(With(kText, "input %q: bf16[n,4,16]", "input %qr: bf16[n,64]"),
                                 "weight @qw: f32[16]", "weight @qw: f32[64]");
  const std::string rows =
      R"(%qrn = rms_norm(%qr, @qw) {eps = 1e-06, style = "olmo"}: bf16[n,64] layer 3
%q = split_heads(%qrn) {d = 16}: bf16[n,4,16] layer 3
)";
  std::string text =
      With(whole, R"(%qn = rms_norm(%q, @qw) {eps = 1e-06, style = "llama"}: bf16[n,4,16] layer 3
)",
           rows);
  text = With(text, "rope(%qn, %kn", "rope(%q, %k");
  for (const Knob knob : {kRopeOnly, kWithWrite}) {
    ExpectDeclined(text, knob, Reason::kNormOfWholeRow);
  }
}

TEST(QkNormRope, ValuesThatOthersReadStay) {
  for (const Knob knob : {kRopeOnly, kWithWrite}) {
    ExpectDeclined(kText + "output %kn\n", knob, Reason::kValueUsedElsewhere, "%kn");
  }
  ExpectDeclined(kText + "output %k1\n", kWithWrite, Reason::kValueUsedElsewhere, "%k1");
  EXPECT_THAT(RunPass(kText + "output %k1\n", kRopeOnly).layers, ElementsAre(3));
}

TEST(QkNormRope, NothingWithoutNorms) {
  const std::string text = With(kHead + kRope + kWrite + kOutput, "rope(%qn, %kn", "rope(%q, %k");
  for (const Knob knob : {kRopeOnly, kWithWrite}) ExpectNothing(text, knob);
}

TEST(QkNormRope, TheLargerFusionRunsFirst) {
  const Rewritten all = RunPasses(
      Parse(kText), {.fusions = {kRopeOnly, kWithWrite, Knob::kFuseRopeKvcache}}, kAnyKernel);
  EXPECT_THAT(Calls(all.graph), HasSubstr("qk_norm_rope_kv_write"));
  EXPECT_EQ(all.graph.nodes().size(), 1u);
}

}  // namespace
}  // namespace rw::testing
