#include "plan/tune/end_to_end.h"

#include <fmt/format.h>

#include <algorithm>

#include "plan/evidence_json.h"
#include "plan/fusion.h"

namespace rw::tune {
namespace {

constexpr std::string_view kPhases[] = {"prompt", "generate"};

// What all gains of a report share.
struct Run {
  std::string device_name, file;
  std::optional<DType> dtype;
  int64_t batch_size = 1, input_len = 1;
  int64_t TokensOf(std::string_view phase) const {
    return phase == "generate" ? batch_size : batch_size * input_len;
  }
};

Result<Run> RunOf(const Json& report, const Run& outer) {
  Run run = outer;
  if (const auto device = report.Find("device"); device && device->is_string()) {
    RW_ASSIGN(run.device_name, device->AsString());
  }
  if (const auto dtype = report.Find("dtype")) {
    RW_ASSIGN(run.dtype, DTypeIn(*dtype));
  }
  for (const auto& [key, into] :
       {std::pair{"batch_size", &run.batch_size}, std::pair{"input_len", &run.input_len}}) {
    const auto value = report.Find(key);
    if (!value) continue;
    RW_ASSIGN(*into, value->AsInt());
    if (*into < 1 || *into > 1'000'000) return value->Expected("a number from 1 to 1000000");
  }
  return run;
}

// A member by the first of the names that is there.
Result<double> NumberIn(const Json& json, std::string_view name, std::string_view other) {
  const auto found = json.Find(name) ? json.Find(name) : json.Find(other);
  if (!found) return Err("{}: expected {} or {}", json.where(), name, other);
  return found->AsDouble();
}

// Adds the gain of a phase; `sign` -1 if it is that of the run without the fusion.
Status AddGain(const Json& gain, Knob knob, std::string_view phase, const Run& run, int sign,
               std::vector<EndToEnd>& into) {
  EndToEnd found{.knob = knob,
                 .device_name = run.device_name,
                 .dtype = run.dtype,
                 .phase = std::string(phase),
                 .tokens = run.TokensOf(phase),
                 .file = run.file};
  RW_ASSIGN(found.low, NumberIn(gain, "low", "min"));
  RW_ASSIGN(found.median, NumberIn(gain, "median", "median"));
  RW_ASSIGN(found.high, NumberIn(gain, "high", "max"));
  if (sign < 0) {
    found.median = -found.median;
    found.low = -std::exchange(found.high, -found.low);
  }
  into.push_back(std::move(found));
  return {};
}

// {"gain_percent": {"fuse_act_mul": {"prompt": {...}, "generate": {...}}}}
Status AddFusions(const Json& report, const Json& gains, const Run& outer,
                  std::vector<EndToEnd>& into) {
  RW_ASSIGN(const Run run, RunOf(report, outer));
  return gains.ForEachMember([&](std::string_view name, Json phases) -> Status {
    const auto knob = FindKnob(name);  // "all of them" and "nothing (noise)" are none
    if (!knob || FindFusion(*knob) == nullptr) return {};
    for (const std::string_view phase : kPhases) {
      const auto gain = phases.Find(phase);
      if (gain) RW_TRY(AddGain(*gain, *knob, phase, run, 1, into));
    }
    return {};
  });
}

// {"knob": "pass_config.fuse_act_mul", "a": "true", "b": "false", "prompt": {"gain_percent": ...}}
Status AddAb(const Json& report, const Json& name, const Run& outer, std::vector<EndToEnd>& into) {
  RW_ASSIGN(const std::string_view text, name.AsString());
  const auto knob = FindKnob(text);
  if (!knob || FindFusion(*knob) == nullptr) return {};
  RW_ASSIGN(const Run run, RunOf(report, outer));
  RW_ASSIGN(const Json a, report.Get("a"));
  const int sign = a.ScalarText() == "true" ? 1 : -1;
  for (const std::string_view phase : kPhases) {
    const auto entry = report.Find(phase);
    const auto gain = entry ? entry->Find("gain_percent") : std::nullopt;
    if (gain) RW_TRY(AddGain(*gain, *knob, phase, run, sign, into));
  }
  return {};
}

Status AddReport(const Json& report, const Run& outer, std::vector<EndToEnd>& into) {
  if (const auto knob = report.Find("knob")) return AddAb(report, *knob, outer, into);
  if (const auto gains = report.Find("gain_percent")) {
    return AddFusions(report, *gains, outer, into);
  }
  return {};
}

}  // namespace

bool IsEndToEnd(const Json& root) {
  return root.Find("knob") || root.Find("gain_percent") || root.Find("results");
}

Result<std::vector<EndToEnd>> EndToEndIn(const Json& root, const std::string& name) {
  std::vector<EndToEnd> measured;
  RW_ASSIGN(const Run outer, RunOf(root, {.file = name}));
  RW_TRY(AddReport(root, outer, measured));
  if (const auto results = root.Find("results")) {
    RW_TRY(results->ForEachElement(
        [&](size_t, Json report) { return AddReport(report, outer, measured); }));
  }
  return measured;
}

const EndToEnd* Contradiction(const EvidenceRow& row, const std::vector<EndToEnd>& measured) {
  const auto found = std::ranges::find_if(measured, [&](const EndToEnd& run) {
    const bool same_device = run.device_name.empty() || run.device_name == row.device_name;
    const bool same_dtype = !run.dtype || !row.dtype || run.dtype == row.dtype;
    const bool contrary = row.choice ? run.high < 0 : run.low > 0;
    return QuestionOf(run.knob) == row.question && same_device && same_dtype &&
           row.tokens.Has(run.tokens) && contrary;
  });
  return found == measured.end() ? nullptr : &*found;
}

std::string Describe(const EndToEnd& measured) {
  return fmt::format("{}, steps of {} tokens: {:+.1f} % ({:+.1f} to {:+.1f}) in {}", measured.phase,
                     measured.tokens, measured.median, measured.low, measured.high, measured.file);
}

}  // namespace rw::tune
