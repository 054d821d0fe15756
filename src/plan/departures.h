// Where the rule set `ropewalk` answers otherwise than `vllm` on purpose. Each row is a request
// that shows it; a test asks both rule sets, so the table says what is so.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "plan/plan.h"

namespace rw {

struct Departure {
  std::string_view name;
  std::string_view platform;
  int level;
  std::vector<std::string_view> config;  // arguments of --compilation-config; "--enforce-eager" too
  int64_t tensor_parallel_size;
  bool qk_norm;               // the model normalises q and k
  Knob knob;                  // on which the two differ
  std::string_view vllm;      // its value there
  std::string_view ropewalk;  // its value, or "refused: CODE"
  std::string_view why;
  std::string_view thread;  // in vLLM's repository, or where else it is described
};

std::span<const Departure> Departures();

// The request of a row; the model is one of 32 layers whose fusions all have kernels, and nothing
// was measured.
Facts FactsOf(const Departure& departure);
Options OptionsOf(const Departure& departure);
// What a rule set answers: the knob's value, or "refused: CODE".
std::string Answer(const Departure& departure, Policy policy);

}  // namespace rw
