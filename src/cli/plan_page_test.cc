// What the page shows in a browser is held by tools/test_plan_page.py; here, what goes into it.
#include "cli/plan_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/plan_page_data.h"
#include "ops/ops.h"

namespace rw {
namespace {

using testing::HasSubstr;
using testing::Not;

// A gate and an up projection whose weight has that name.
Graph Imported(const std::string& weight) {
  Graph graph("model");
  const ValueId x = graph.AddInput("x", Type::Tensor(DType::kF32, {"n", 8}));
  const ValueId w = graph.AddWeight(weight, Type::Tensor(DType::kF32, {8, 8}));
  const ValueId gate = (*graph.AddNode(ops::kLinear, {x, w}, {}, {"gate"}, 0))[0];
  const ValueId up = (*graph.AddNode(ops::kLinear, {x, w}, {}, {"up"}, 0))[0];
  const ValueId silu = (*graph.AddNode(ops::kSilu, {gate}, {}, {"silu"}, 0))[0];
  graph.AddOutput((*graph.AddNode(ops::kMul, {silu, up}, {}, {"product"}, 0))[0]);
  return graph;
}

Compiled CompiledFrom(const Graph& graph, const CompileRequest& request) {
  return Rewrite(graph, *PlanFor(FactsOf(graph, request), request), request);
}

TEST(PlanPage, NoNameEndsTheScript) {
  const Graph graph = Imported("</script><img src=x>\xff");
  const CompileRequest request;
  const Compiled compiled = CompiledFrom(graph, request);
  const std::string page = PlanPage(graph, compiled, FactsOf(graph, request));
  EXPECT_THAT(page, HasSubstr("\\u003c/script>\\u003cimg src=x>\xef\xbf\xbd"));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
}

TEST(PlanPage, FusedCallsKnowWhatTheyReplace) {
  const Graph graph = Imported("w");
  const CompileRequest request;
  const Compiled compiled = CompiledFrom(graph, request);
  const auto data = nlohmann::json::parse(PlanPageData(graph, compiled, FactsOf(graph, request)));
  EXPECT_EQ(data["before"].size(), 4u);
  ASSERT_EQ(data["programs"].size(), 1u);
  const auto& nodes = data["programs"][0]["nodes"];
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0]["op"], "linear2");
  EXPECT_EQ(nodes[0]["replaces"], (std::vector<int>{0, 1}));
  EXPECT_EQ(nodes[1]["op"], "silu_mul");
  EXPECT_EQ(nodes[1]["replaces"], (std::vector<int>{2, 3}));
  // A value that was there before is the same value after.
  EXPECT_EQ(nodes[1]["out"], data["before"][3]["out"]);
}

}  // namespace
}  // namespace rw
