#include "plan/vllm/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/file.h"
#include "base/json.h"
#include "plan/fusion.h"
#include "plan/vllm/rules.h"

namespace rw::vllm {
namespace {

using enum Knob;

// The facts of a recorded case. The platform is put together from several of them.
struct RecordedFacts {
  Facts facts;
  std::string platform;
  int64_t compute_capability = 0;
  bool flashinfer = false;
  bool aiter = false;
  bool enforce_eager = false;
};

Status Read(const Json& json, bool& out) {
  RW_ASSIGN(out, json.AsBool());
  return {};
}
Status Read(const Json& json, int64_t& out) {
  RW_ASSIGN(out, json.AsInt());
  return {};
}
Status Read(const Json& json, std::string& out) {
  RW_ASSIGN(out, json.AsString());
  return {};
}

struct FactRow {
  std::string_view name;
  Status (*read)(const Json& json, RecordedFacts& out);
};
constexpr FactRow kFacts[] = {
    {"platform", [](const Json& j, RecordedFacts& r) { return Read(j, r.platform); }},
    {"compute_capability",
     [](const Json& j, RecordedFacts& r) { return Read(j, r.compute_capability); }},
    {"flashinfer", [](const Json& j, RecordedFacts& r) { return Read(j, r.flashinfer); }},
    {"aiter", [](const Json& j, RecordedFacts& r) { return Read(j, r.aiter); }},
    {"enforce_eager", [](const Json& j, RecordedFacts& r) { return Read(j, r.enforce_eager); }},
    {"hidden_size", [](const Json& j, RecordedFacts& r) { return Read(j, r.facts.hidden_size); }},
    {"tensor_parallel_size",
     [](const Json& j, RecordedFacts& r) { return Read(j, r.facts.tensor_parallel_size); }},
    {"pipeline_parallel_size",
     [](const Json& j, RecordedFacts& r) { return Read(j, r.facts.pipeline_parallel_size); }},
    {"max_num_batched_tokens",
     [](const Json& j, RecordedFacts& r) { return Read(j, r.facts.max_num_batched_tokens); }},
    {"max_num_seqs", [](const Json& j, RecordedFacts& r) { return Read(j, r.facts.max_num_seqs); }},
    {"block_quantized_fp8",
     [](const Json& j, RecordedFacts& r) { return Read(j, r.facts.block_quantized_fp8); }},
    {"nvfp4", [](const Json& j, RecordedFacts& r) { return Read(j, r.facts.nvfp4); }},
    {"pooling", [](const Json& j, RecordedFacts& r) { return Read(j, r.facts.pooling); }},
    {"encoder_decoder",
     [](const Json& j, RecordedFacts& r) { return Read(j, r.facts.encoder_decoder); }},
};

Result<RecordedFacts> ReadFacts(const Json& json) {
  RecordedFacts recorded;
  RW_TRY(json.ForEachMember([&](std::string_view name, const Json& value) -> Status {
    const auto row = std::ranges::find(kFacts, name, &FactRow::name);
    if (row == std::end(kFacts)) return Err("{}: unknown fact", value.where());
    return row->read(value, recorded);
  }));
  // Recorded cases name no ROCm architecture; where AITER counts it is a CDNA one.
  std::string name = recorded.platform;
  if (name == "cuda") name += fmt::format(":sm{}", recorded.compute_capability);
  if (name == "rocm") name += ":gfx950";
  if (recorded.flashinfer) name += ",flashinfer";
  if (recorded.aiter) name += ",aiter";
  auto platform = ParsePlatform(name);
  if (!platform) return Err("{}: {}", json.where(), platform.error().message);
  recorded.facts.platform = *std::move(platform);
  return recorded;
}

// A value as text, in the spelling of ToString. Lists whose order means nothing are sorted.
Result<std::string> TextOf(const Json& json, bool sorted) {
  if (auto text = json.ScalarText()) return *std::move(text);
  if (!json.is_array()) return json.Expected("a name, a number, true, false or an array");
  std::vector<std::string> items;
  RW_TRY(json.ForEachElement([&](size_t, const Json& item) -> Status {
    RW_ASSIGN(std::string text, TextOf(item, sorted));
    items.push_back(std::move(text));
    return {};
  }));
  if (sorted) std::ranges::sort(items);
  return fmt::format("[{}]", fmt::join(items, ", "));
}

template <Knob knob>
std::string KnobText(const Plan& plan) {
  return ToString(Def(knob), plan[knob].value);
}

std::string CustomOpsText(const Plan& plan) {
  Names names = plan.Get<Names>(kCustomOps);
  std::ranges::sort(names);
  return fmt::format("[{}]", fmt::join(names, ", "));
}

std::string RangesText(const Plan& plan) {
  std::vector<std::string> ranges;
  for (const TokenRange& range : plan.ranges) {
    ranges.push_back(fmt::format("[{}, {}]", range.first, range.last));
  }
  return fmt::format("[{}]", fmt::join(ranges, ", "));
}

std::string WarningsText(const Plan& plan) {
  std::set<std::string> codes;
  for (const Warning& warning : plan.warnings) codes.insert(warning.code);
  return fmt::format("[{}]", fmt::join(codes, ", "));
}

// A recorded field: how to write what the plan has for it.
struct Field {
  std::string_view name;
  std::string (*text)(const Plan& plan);
  bool sorted = false;  // a list whose order means nothing
};
constexpr Field kFields[] = {
    {"mode", KnobText<kMode>},
    {"cudagraph_mode", KnobText<kCudagraphMode>},
    {"use_inductor_graph_partition", KnobText<kUseInductorGraphPartition>},
    {"custom_ops", CustomOpsText, true},
    {"splitting_ops", KnobText<kSplittingOps>},
    {"compile_ranges_endpoints", KnobText<kCompileRangesEndpoints>},
    {"compile_ranges", RangesText},
    {"capture_sizes", KnobText<kCudagraphCaptureSizes>},
    {"max_capture_size", KnobText<kMaxCudagraphCaptureSize>},
    {"rms_norm_providers", KnobText<kRmsNormProviders>},
    {"warnings", WarningsText, true},
};

struct Case {
  std::string id;
  Facts facts;
  Options options;
};

// What differs between a recorded case and the plan: "mode: recorded NONE, planned VLLM_COMPILE".
class Comparison {
 public:
  void Add(std::string_view field, std::string_view recorded, std::string_view planned) {
    if (recorded == planned) return;
    differences_.push_back(fmt::format("{}: recorded {}, planned {}", field, recorded, planned));
  }
  std::vector<std::string> Take() && { return std::move(differences_); }

 private:
  std::vector<std::string> differences_;
};

Status CompareFields(const Json& outcome, const Plan& plan, Comparison& comparison) {
  for (const Field& field : kFields) {
    RW_ASSIGN(const Json recorded, outcome.Get(field.name));
    RW_ASSIGN(const std::string text, TextOf(recorded, field.sorted));
    comparison.Add(field.name, text, field.text(plan));
  }
  RW_ASSIGN(const Json fusions, outcome.Get("fusions"));
  for (const FusionDef& fusion : Fusions()) {
    const KnobDef& def = Def(fusion.knob);
    if (!def.in_vllm) continue;
    RW_ASSIGN(const Json recorded, fusions.Get(def.name.substr(def.name.rfind('.') + 1)));
    RW_ASSIGN(const std::string text, TextOf(recorded, false));
    comparison.Add(def.name, text, ToString(def, plan[fusion.knob].value));
  }
  return {};
}

Result<std::vector<std::string>> Compare(const Json& outcome, const Case& c) {
  const auto plan = MakePlan(c.facts, c.options);
  Comparison comparison;
  std::string recorded_error = "none";
  if (const auto error = outcome.Find("error")) {
    RW_ASSIGN(recorded_error, error->AsString());
  }
  comparison.Add("error", recorded_error, plan ? "none" : plan.error().code);
  if (plan && recorded_error == "none") RW_TRY(CompareFields(outcome, *plan, comparison));
  return std::move(comparison).Take();
}

Result<Case> ReadCase(const Json& json) {
  Case c;
  RW_ASSIGN(const Json id, json.Get("id"));
  RW_TRY(Read(id, c.id));
  RW_ASSIGN(const Json facts, json.Get("facts"));
  RW_ASSIGN(RecordedFacts recorded, ReadFacts(facts));
  c.facts = std::move(recorded.facts);
  c.options.enforce_eager = recorded.enforce_eager;
  RW_ASSIGN(const Json level, json.Get("optimization_level"));
  RW_ASSIGN(const int64_t number, level.AsInt());
  if (number < 0 || number > 3) return level.Expected("a level from 0 to 3");
  c.options.level = static_cast<int>(number);
  RW_ASSIGN(const Json config, json.Get("compilation_config"));
  RW_TRY(ApplyCompilationConfigJson(config, c.options));
  return c;
}

Status CheckLine(std::string_view line, std::string place, CheckReport& report) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Parse(line, std::move(place)));
  RW_ASSIGN(const Case c, ReadCase(document.root()));
  RW_ASSIGN(const Json outcome, document.root().Get("outcome"));
  RW_ASSIGN(const std::vector<std::string> differences, Compare(outcome, c));
  ++(differences.empty() ? report.passed : report.failed);
  for (const std::string& difference : differences) {
    report.differences.push_back(fmt::format("case {}: {}", c.id, difference));
  }
  return {};
}

}  // namespace

Result<CheckReport> CheckCases(const std::string& path, int max_differences) {
  RW_ASSIGN(const std::string text, ReadFile(path));
  CheckReport report;
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (line.empty()) continue;
    // A case that cannot be read has failed; the others are still checked.
    const Status checked = CheckLine(line, fmt::format("{} line {}", path, number), report);
    if (!checked) {
      ++report.failed;
      report.differences.push_back(checked.error().message);
    }
    const size_t most = static_cast<size_t>(std::max(0, max_differences));
    if (report.differences.size() > most) report.differences.resize(most);
  }
  return report;
}

}  // namespace rw::vllm
