// Plans in words.
#pragma once

#include <string>

#include "plan/plan.h"

namespace rw {

// "on, level O2, matched 32 of 32 layers, kernel rope_kv_write/cpu/simd/bf16"
std::string Explain(const Plan& plan, const Facts& facts, Knob knob);

// Everything about one knob: value, who set it, why, on what evidence, what follows from it, what
// was rejected, where a pattern was left alone, how vLLM differs.
std::string Why(const Plan& plan, const Facts& facts, Knob knob);

// All settings, fusions, ops, ranges and warnings.
std::string PrintPlan(const Plan& plan, const Facts& facts);

// What differs, with both explanations; empty if nothing does.
std::string PrintDiff(const Plan& a, const Plan& b, const Facts& facts_a, const Facts& facts_b);

// Two lines for a run: what is fused where, and what is off and why.
std::string Summary(const Plan& plan, const Facts& facts);

// The plan and its ledger as one JSON object, indented.
std::string PlanJson(const Plan& plan, const Facts& facts);

}  // namespace rw
