// What the page of a plan shows, as JSON for its script.
#pragma once

#include <string>

#include "compile/compile.h"

namespace rw {

// {
//   "model": "LlamaForCausalLM",
//   "plan": ...                         what PlanJson gives
//   "knobs": [...]                      beside plan.decisions: what a knob is, what was left alone
//   "reasons": {"no-match": "..."}      sentences
//   "ops": {"linear": "..."}            summaries of the ops in the graphs
//   "values": [[name, kind, type]]      of all graphs; kind is input, weight or result
//   "before": [node]                    the calls as imported, over indices of values
//   "programs": [{"ranges": [[1, 512]], "native": [...], "nodes": [node], "pieces": [...]}]
// }
// A node that stands for others as imported lists them: "replaces": [3, 4].
std::string PlanPageData(const Graph& imported, const Compiled& compiled, const Facts& facts);

}  // namespace rw
