// The ways to compute one call: how far what it stands for is written out, and who computes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "exec/executable.h"
#include "ir/graph.h"
#include "ops/inputs.h"

namespace rw::bench {

// "fused": the op as one kernel. "expanded1", "expanded2" ...: written out so many times, but not
// to the end. "custom": to ops that stand for no others, each with its hand-written kernel.
// "native": the same with code that is generated.
struct Variant {
  std::string name;
  Graph graph;
};

inline constexpr std::string_view kFused = "fused";
inline constexpr std::string_view kCustom = "custom";
inline constexpr std::string_view kNative = "native";

// From the most fused on. The last is native, unless no part of it is an op that is ever generated.
Result<std::vector<Variant>> VariantsOf(const OpDef& op, const ops::CallShape& shape);

// Whether there is anything to choose between.
bool HasVariants(const OpDef& op);

// As the engine lowers. An error says why the variant cannot run such a call on that device.
Result<Executable> LowerVariant(const Variant& variant, const ops::CallShape& shape, Device device);

// "rope_kv_write@gpu", in the order of the steps.
std::vector<std::string> KernelsOf(const std::vector<Step>& steps);

// A hash of the sources of the kernels that these steps run; empty where it is not known.
std::string SourcesOf(const std::vector<Step>& steps);

}  // namespace rw::bench
