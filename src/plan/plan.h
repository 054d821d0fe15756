// Every decision with its reason. A plan is the value of one pure function of facts, options and
// rule set: the same input gives the same plan, nothing is filled in later, nothing is logged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "plan/facts.h"
#include "plan/options.h"

namespace rw {

// ropewalk: legality > user > measured > level > fallback. An explicit request is honoured or
// refused. vllm: what vLLM of 2026-08 resolves for the same flags, quirks and warnings included.
enum class Policy : uint8_t { kRopewalk, kVllm };

enum class Source : uint8_t { kLegality, kUser, kMeasured, kLevel, kFallback };
std::string_view Name(Source source);  // "legality", ...

// An alternative that was considered, and why it was not taken.
struct Rejected {
  KnobValue value;
  Source by;
  Reason reason;
  std::string detail;
  bool operator==(const Rejected&) const = default;
};

// A row of evidence that a decision rests on, and for which numbers of tokens it does.
struct AppliedRow {
  EvidenceRow row;
  Bounds tokens;
  std::vector<std::string> changed;  // kernels that have changed since: the row is stale
  bool operator==(const AppliedRow&) const = default;
};

struct Decision {
  Knob knob;
  KnobValue value;
  Source source = Source::kFallback;
  Reason reason = Reason::kFallback;
  std::string detail;    // the sentence's particulars: "needed by fuse_rope_kvcache"
  std::string evidence;  // vllm: the rule that set it
  std::vector<AppliedRow> rows;
  std::optional<Knob> cause;  // the decision that this one follows from
  std::vector<Rejected> others;
  std::vector<int> layers;  // a fusion that is on: the layers it matched, one entry for each match
  std::string kernel;       // and the kernel that runs it
  std::vector<Bounds> tokens;  // a fusion that is on: in steps of so many; empty: in all
  bool operator==(const Decision&) const = default;
};

// The choice between hand-written and native code for one op of the graph in steps of so many
// tokens. The decisions on an op stand together, by their tokens.
struct OpDecision {
  std::string op;
  Bounds tokens;
  bool custom = true;  // hand-written
  Source source = Source::kFallback;
  Reason reason = Reason::kFallback;
  std::string detail;
  std::optional<Knob> cause;
  std::vector<AppliedRow> rows;
  std::vector<Rejected> others;  // true: hand-written
  bool operator==(const OpDecision&) const = default;
};

// Steps of first..last tokens share one executable.
struct TokenRange {
  int64_t first;
  int64_t last;
  std::vector<Knob> fusions;        // that are on in this range
  std::vector<std::string> native;  // ops that run as native code in this range
  bool operator==(const TokenRange&) const = default;
};

// What vLLM would log. Codes are those of the conformance cases ("rope-kvcache-needs-rocm").
struct Warning {
  std::string code;
  std::string message;
  bool operator==(const Warning&) const = default;
};

struct Plan {
  Policy policy = Policy::kRopewalk;
  int level = kDefaultLevel;
  std::vector<Decision> decisions;  // one for each knob, in the order of Knobs()
  std::vector<OpDecision> ops;      // ropewalk, where there is a graph
  std::vector<TokenRange> ranges;   // of tokens, ascending, from 1 to max_num_batched_tokens
  std::vector<Warning> warnings;    // vllm

  const Decision& operator[](Knob knob) const { return decisions[static_cast<size_t>(knob)]; }
  template <class T>
  const T& Get(Knob knob) const {
    return std::get<T>((*this)[knob].value);
  }
  bool On(Knob knob) const { return Get<bool>(knob); }
  bool operator==(const Plan&) const = default;
  Mode mode() const { return static_cast<Mode>(Get<int64_t>(Knob::kMode)); }
  CudagraphMode cudagraph_mode() const {
    return static_cast<CudagraphMode>(Get<int64_t>(Knob::kCudagraphMode));
  }
};

// Why there is no plan: requests that contradict each other or cannot be met.
struct Refusal {
  std::string code;         // "custom-op-contradiction"
  std::string message;      // one line: the settings in conflict, and the fix
  std::vector<Knob> knobs;  // the requests it is about
};

tl::expected<Plan, Refusal> MakePlan(const Facts& facts, const Options& options, Policy policy);

}  // namespace rw
