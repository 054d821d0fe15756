#include "passes/testing.h"

namespace rw::testing {
namespace {

constexpr Knob kKnob = Knob::kFuseRopeKvcache;

const std::string kHead = R"(graph rope
input %positions: i32[n]
input %slots: i32[n]
input %qstart: i32[s1]
input %lengths: i32[s]
input %table: i32[s,p]
input %rope: f32[m,16]
input %kv.0: kv<bf16>[2,16]
input %q: bf16[n,4,16]
input %k: bf16[n,2,16]
input %v: bf16[n,2,16]
)";
const std::string kRope =
    R"(%q1, %k1 = rope(%q, %k, %positions, %rope) {layout = "half"}: bf16[n,4,16], bf16[n,2,16] layer 0
)";
const std::string kWrite =
    R"(%kv.1 = kv_write(%k1, %v, %slots, %kv.0): kv<bf16>[2,16] layer 0
)";
const std::string kAttention =
    R"(%o = attention(%q1, %qstart, %lengths, %table, %kv.1) {scale = 0.25, softcap = 0.0, window = 0}: bf16[n,4,16] layer 0
output %o
)";
const std::string kFused =
    R"(%q1, %kv.1 = rope_kv_write(%q, %k, %v, %positions, %rope, %slots, %kv.0) {layout = "half"}: bf16[n,4,16], kv<bf16>[2,16] layer 0
)";
const std::string kText = kHead + kRope + kWrite + kAttention;

TEST(FuseRopeKvcache, JoinsRopeAndWrite) {
  const Ran ran = RunPass(kText, kKnob);
  EXPECT_EQ(ran.text, kFused + kAttention);
  EXPECT_THAT(ran.layers, ElementsAre(0));
  EXPECT_THAT(ran.declined, IsEmpty());
}

TEST(FuseRopeKvcache, TakesWhatTheOpsAllow) {
  // Interleaved pairs, a table narrower than the head (partial rotary), a sliding window, a cache
  // of another type.
  std::string text = With(kText, "\"half\"", "\"interleaved\"");
  text = With(text, "f32[m,16]", "f32[m,8]");
  text = With(text, "window = 0", "window = 32");
  for (int i = 0; i < 2; ++i) text = With(text, "kv<bf16>", "kv<f16>");
  const Ran ran = RunPass(text, kKnob);
  EXPECT_THAT(ran.layers, ElementsAre(0));
  EXPECT_THAT(ran.text, HasSubstr("{layout = \"interleaved\"}: bf16[n,4,16], kv<f16>[2,16]"));
}

TEST(FuseRopeKvcache, KeepsARotatedKThatOthersRead) {
  const std::string reader = R"(%kk = merge_heads(%k1): bf16[n,32] layer 0
)";
  ExpectDeclined(kHead + kRope + kWrite + reader + kAttention + "output %kk\n", kKnob,
                 Reason::kValueUsedElsewhere, "%k1 is also read by %kk = merge_heads");
  ExpectDeclined(kText + "output %k1\n", kKnob, Reason::kValueUsedElsewhere,
                 "%k1 is an output of the graph");
}

TEST(FuseRopeKvcache, MovesUpToTheFirstReaderOfQ) {
  const std::string reader = R"(%qq = merge_heads(%q1): bf16[n,64] layer 0
)";
  const Ran ran = RunPass(kHead + kRope + reader + kWrite + kAttention + "output %qq\n", kKnob);
  EXPECT_EQ(ran.text, kFused + reader + kAttention + "output %qq\n");
}

TEST(FuseRopeKvcache, StaysWhereVComesTooLate) {
  // q is read before v exists, so no place suits both.
  std::string head = With(kHead, "input %v: bf16[n,2,16]\n", "input %vr: bf16[n,32]\n");
  const std::string reader = R"(%qq = merge_heads(%q1): bf16[n,64] layer 0
)";
  const std::string v = R"(%v = split_heads(%vr) {d = 16}: bf16[n,2,16] layer 0
)";
  ExpectDeclined(head + kRope + reader + v + kWrite + kAttention + "output %qq\n", kKnob,
                 Reason::kOrder, "%qq = merge_heads comes before %v");
}

TEST(FuseRopeKvcache, KeepsTheCacheStateThatIsReadBetween) {
  // The old state is read between the first reader of q, where the fused op would stand, and the
  // write.
  const std::string old = R"(%qq = merge_heads(%q1): bf16[n,64] layer 0
%old = attention(%q, %qstart, %lengths, %table, %kv.0) {scale = 0.25, softcap = 0.0, window = 0}: bf16[n,4,16] layer 0
)";
  ExpectDeclined(kHead + kRope + old + kWrite + kAttention + "output %old\noutput %qq\n", kKnob,
                 Reason::kCacheReadBetween, "%old = attention");
}

TEST(FuseRopeKvcache, KIsVToo) {
  // One value as k and v: the op reads both before it writes the cache, nothing to mind.
  const Ran ran = RunPass(With(kText, "kv_write(%k1, %v", "kv_write(%k1, %k"), kKnob);
  EXPECT_THAT(ran.text, HasSubstr("rope_kv_write(%q, %k, %k, "));
}

TEST(FuseRopeKvcache, NothingWithoutAWriteOfRotatedK) {
  ExpectNothing(kHead + kRope + With(kWrite, "%k1", "%k") + kAttention, kKnob);
  ExpectNothing(kHead + kFused + kAttention, kKnob);  // fused already
}

TEST(FuseRopeKvcache, NeedsAKernel) {
  const KernelFinder none = [](const OpDef&, const KernelTypes&, const Attrs&) {
    return static_cast<const KernelRow*>(nullptr);
  };
  const Ran ran = RunPass(kText, kKnob, none);
  EXPECT_THAT(ran.layers, IsEmpty());
  ASSERT_EQ(ran.declined.size(), 1u);
  EXPECT_EQ(ran.declined[0].reason, Reason::kNoKernelForTypes);
}

TEST(FuseRopeKvcache, StopsAtACutMadeBefore) {
  const Ran ran = RunPass(kText, kKnob, kAnyKernel, {"kv_write"});
  EXPECT_EQ(ran.text, Calls(Parse(kText)));
  ASSERT_EQ(ran.declined.size(), 1u);
  EXPECT_EQ(ran.declined[0].reason, Reason::kSplitBetween);
  EXPECT_THAT(RunPass(kText, kKnob, kAnyKernel, {"attention"}).layers, ElementsAre(0));
}

}  // namespace
}  // namespace rw::testing
