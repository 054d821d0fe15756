// Programs are of fusions and of ops that run as native code.
#include "compile/compile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compile/native_ops.h"
#include "ops/ops.h"

namespace rw {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// silu(x) * y, whose fusion is off, so that silu stays.
Graph Gated() {
  Graph graph("model");
  const ValueId x = graph.AddInput("x", Type::Tensor(DType::kF32, {"n", 8}));
  const ValueId y = graph.AddInput("y", Type::Tensor(DType::kF32, {"n", 8}));
  const ValueId silu = (*graph.AddNode(ops::kSilu, {x}, {}, {"silu"}, 0))[0];
  graph.AddOutput((*graph.AddNode(ops::kMul, {silu, y}, {}, {"product"}, 0))[0]);
  return graph;
}

EvidenceRow Native(std::string_view op, Bounds tokens) {
  return {.question = QuestionOf(op), .device = Device::kCpu, .tokens = tokens};
}

Compiled CompiledWith(std::vector<EvidenceRow> rows) {
  CompileRequest request;
  request.facts.evidence = std::make_shared<const EvidenceTable>(std::move(rows));
  request.facts.max_num_batched_tokens = 64;
  request.options.Set(Knob::kFuseActMul, false);
  auto compiled = Compile(Gated(), request);
  EXPECT_TRUE(compiled) << compiled.error().message;
  return *std::move(compiled);
}

std::string_view ProviderOf(const Program& program, std::string_view op) {
  for (const Step& step : program.executable.steps) {
    if (step.kernel->op == op) return step.kernel->provider;
  }
  return "none";
}

TEST(Compile, ARangeRunsItsNativeOps) {
  const Compiled compiled = CompiledWith({Native("silu", {17, 64})});
  ASSERT_EQ(compiled.programs.size(), 2u);
  EXPECT_THAT(compiled.For(16).native, IsEmpty());
  EXPECT_THAT(compiled.For(17).native, ElementsAre("silu"));
  EXPECT_EQ(ProviderOf(compiled.For(16), "silu"), "simd");
  // One step for both, as mul stands between native ops.
  EXPECT_EQ(compiled.For(17).executable.steps.size(), 1u);
  EXPECT_EQ(ProviderOf(compiled.For(17), "native"), "simd");
}

TEST(Compile, EqualRangesShareAProgram) {
  const Compiled compiled = CompiledWith({Native("silu", {1, 8}), Native("silu", {17, 64})});
  EXPECT_EQ(compiled.plan.ranges.size(), 3u);
  EXPECT_EQ(compiled.programs.size(), 2u);
  EXPECT_EQ(compiled.IndexFor(1), compiled.IndexFor(64));
  // An op that the graph does not have makes no difference.
  EXPECT_EQ(CompiledWith({Native("rms_norm", {17, 64})}).programs.size(), 1u);
}

TEST(NativeOps, AreThoseThatCanRun) {
  EXPECT_THAT(NativeOps(Device::kCpu), ::testing::Contains("silu"));
  EXPECT_THAT(NativeOps(Device::kRocm), IsEmpty());
}

}  // namespace
}  // namespace rw
