// Names of ops that a user may write in custom_ops and splitting_ops: ours, and vLLM's as aliases.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rw {

// An op whose kernel is a choice between hand-written and native. `ops` are Ropewalk's names for
// what vLLM calls `vllm_name`; none where Ropewalk has no such op yet.
struct CustomOpDef {
  std::string_view name;
  std::vector<std::string_view> ops;
};
const std::vector<CustomOpDef>& CustomOps();
const CustomOpDef* FindCustomOp(std::string_view name);  // by vLLM's name or ours

// An op at which a graph may be cut. `op` as above, empty where Ropewalk has none.
struct SplittingOpDef {
  std::string_view name;  // "vllm::unified_attention_with_output"
  std::string_view op;    // "attention"
  bool attention;         // one of vLLM's attention ops; else a KV-cache update
};
std::span<const SplittingOpDef> SplittingOps();
const SplittingOpDef* FindSplittingOp(std::string_view name);  // with or without "vllm::", or ours

// Errors name the nearest known name. Items of custom_ops that are no "+op" or "-op" at all are
// left to the rules.
Status CheckCustomOpNames(const std::vector<std::string>& list);
Status CheckSplittingOpNames(const std::vector<std::string>& list);

}  // namespace rw
