// What the text tests of the passes share: a graph in, the graph out, and why not.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "ops/ops.h"
#include "passes/passes.h"

namespace rw::testing {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Every op has a kernel, so that a test is about its pass alone.
inline const KernelFinder kAnyKernel = [](const OpDef&, const KernelTypes&, const Attrs&) {
  static constexpr KernelRow kRow{"any", Device::kCpu, "test", nullptr, nullptr};
  return &kRow;
};

inline Graph Parse(const std::string& text) {
  auto graph = ParseGraph(text, &ops::Find);
  EXPECT_TRUE(graph) << graph.error().message << "\n" << text;
  return graph ? *std::move(graph) : Graph("broken");
}

struct Ran {
  std::string text;         // calls and outputs of the graph, without inputs and weights
  std::vector<int> layers;  // of the matches
  std::vector<Declined> declined;
};

inline std::string Calls(const Graph& graph) {
  const std::string text = Print(graph);
  return text.substr(text.find("\n%") + 1);
}

// Runs one pass.
inline Ran RunPass(const std::string& text, Knob knob, const KernelFinder& kernels = kAnyKernel,
                   std::vector<std::string> cut_before = {}) {
  Rewritten result =
      RunPasses(Parse(text), {.fusions = {knob}, .cut_before = std::move(cut_before)}, kernels);
  return {Calls(result.graph), result.reports.at(0).layers, result.reports.at(0).declined};
}

// The pass leaves the graph as it is, for one reason, whose detail holds `detail`.
inline void ExpectDeclined(const std::string& text, Knob knob, Reason reason,
                           std::string_view detail = "") {
  const Ran ran = RunPass(text, knob);
  EXPECT_EQ(ran.text, Calls(Parse(text)));
  EXPECT_THAT(ran.layers, IsEmpty());
  ASSERT_EQ(ran.declined.size(), 1u);
  EXPECT_EQ(Name(ran.declined[0].reason), Name(reason));
  EXPECT_THAT(ran.declined[0].detail, HasSubstr(std::string(detail)));
}

// The pass finds nothing to talk about.
inline void ExpectNothing(const std::string& text, Knob knob) {
  const Ran ran = RunPass(text, knob);
  EXPECT_EQ(ran.text, Calls(Parse(text)));
  EXPECT_THAT(ran.layers, IsEmpty());
  EXPECT_THAT(ran.declined, IsEmpty());
}

// `text` with the first `from` replaced.
inline std::string With(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

}  // namespace rw::testing
