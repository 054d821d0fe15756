// Numbers of tokens that get an executable of their own, and the knobs that nothing here depends
// on.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "plan/ropewalk/draft.h"

namespace rw::ropewalk {
namespace {

constexpr Knob kThreshold = Knob::kRopeKvcacheFusionMaxTokenNum;
constexpr Knob kEndpoints = Knob::kCompileRangesEndpoints;

// The fusion that makes the threshold matter, if one is on.
std::optional<Knob> ThresholdCause(const Draft& draft) {
  for (const FusionDef& fusion : Fusions()) {
    if (fusion.writes_cache() && draft.On(fusion.knob)) return fusion.knob;
  }
  return std::nullopt;
}

// Sizes of a list the user gave, each at most the largest step.
tl::expected<Sizes, Refusal> Asked(const Draft& draft, Knob knob) {
  const Sizes* sizes = draft.options.Get<Sizes>(knob);
  if (sizes == nullptr) {
    // compile_sizes may be the capture sizes.
    return draft.options.Asked(knob) ? std::get<Sizes>(draft[Knob::kCudagraphCaptureSizes].value)
                                     : Sizes{};
  }
  for (const int64_t size : *sizes) {
    if (size < 1 || size > draft.facts.max_num_batched_tokens) {
      return tl::unexpected(Refuse(knob, *sizes, Reason::kOutOfRange,
                                   fmt::format("expected 1 to max_num_batched_tokens = {}",
                                               draft.facts.max_num_batched_tokens)));
    }
  }
  if (!sizes->empty() && !draft.compiled()) {
    return tl::unexpected(Refuse(knob, *sizes, Reason::kNotCompiled, "mode=NONE", {Knob::kMode}));
  }
  return *sizes;
}

void DecideThreshold(Draft& draft) {
  Decision decision{.knob = kThreshold,
                    .value = draft.facts.max_num_batched_tokens,
                    .reason = Reason::kFallback,
                    .detail = "no limit unless one is asked for"};
  if (const int64_t* asked = draft.options.Get<int64_t>(kThreshold)) {
    decision.value = *asked;
    decision.source = Source::kUser;
    decision.reason = Reason::kUserAsked;
    decision.detail = ThresholdCause(draft) ? "" : "without effect: no such fusion is on";
  }
  draft.Set(std::move(decision));
}

std::vector<Knob> FusionsUpTo(const Draft& draft, int64_t tokens) {
  std::vector<Knob> on;
  for (const FusionDef& fusion : Fusions()) {
    const bool fits =
        !fusion.writes_cache() || tokens <= std::get<int64_t>(draft[kThreshold].value);
    // One that is included in a larger one has no layers of its own.
    const bool works = !draft.facts.graph || !draft[fusion.knob].layers.empty();
    if (draft.On(fusion.knob) && fits && works) on.push_back(fusion.knob);
  }
  return on;
}

}  // namespace

Status DecideRanges(Draft& draft) {
  const int64_t max = draft.facts.max_num_batched_tokens;
  DecideThreshold(draft);
  auto endpoints = Asked(draft, kEndpoints);
  if (!endpoints) return tl::unexpected(endpoints.error());
  auto sizes = Asked(draft, Knob::kCompileSizes);
  if (!sizes) return tl::unexpected(sizes.error());

  std::set<int64_t> ends(endpoints->begin(), endpoints->end());
  Decision decision{.knob = kEndpoints, .reason = Reason::kNothingAsksForIt};
  if (draft.options.Asked(kEndpoints)) {
    decision.source = Source::kUser;
    decision.reason = Reason::kUserAsked;
  }
  const int64_t threshold = std::get<int64_t>(draft[kThreshold].value);
  if (const auto cause = ThresholdCause(draft); cause && threshold < max) {
    ends.insert(threshold);
    decision.cause = cause;
    decision.detail = fmt::format("{} from {}, which bounds {}", threshold, Def(kThreshold).name,
                                  Def(*cause).name);
    if (!draft.options.Asked(kEndpoints)) {
      decision.source = draft[*cause].source;
      decision.reason = Reason::kConsequence;
    }
  }
  ends.insert(max);
  decision.value = Sizes(ends.begin(), ends.end());
  draft.Set(std::move(decision));

  for (const int64_t size : *sizes) {  // a range of one size
    ends.insert(size);
    if (size > 1) ends.insert(size - 1);
  }
  int64_t first = 1;
  for (const int64_t end : ends) {
    draft.ranges.push_back({first, end, FusionsUpTo(draft, end)});
    first = end + 1;
  }
  const bool asked = draft.options.Asked(Knob::kCompileSizes);
  draft.Set({.knob = Knob::kCompileSizes,
             .value = *std::move(sizes),
             .source = asked ? Source::kUser : Source::kFallback,
             .reason = asked ? Reason::kUserAsked : Reason::kNothingAsksForIt,
             .detail = asked ? "ranges that do not differ share an executable" : ""});
  return {};
}

Status DecideRest(Draft& draft) {
  const auto set = [&](Knob knob, KnobValue value, Reason reason, std::string detail) {
    std::vector<Candidate> candidates;
    draft.AddUser(knob, candidates);
    candidates.push_back({Source::kFallback, std::move(value), reason, std::move(detail)});
    draft.Set(*Choose(knob, std::move(candidates), {}));
  };
  set(Knob::kEliminateNoops, true, Reason::kFallback, "the importer makes no ops without effect");
  set(Knob::kFiAllreduceFusionMaxSizeMb, 0.0, Reason::kOneDevice, "no collectives");
  set(Knob::kSpMinTokenNum, int64_t{0}, Reason::kOneDevice, "no sequence parallelism");
  const CustomOpList list = ReadCustomOps(draft.options);
  const bool native = list.Forbids("rms_norm") || (list.base == false && !list.Asks("rms_norm"));
  Names providers;
  for (const KernelRow& row : KernelTable()) {
    if (row.op != "rms_norm" || row.device != draft.facts.platform.device) continue;
    if (row.provider == "reference" || !native) providers.emplace_back(row.provider);
  }
  set(Knob::kRmsNormProviders, std::move(providers),
      native ? Reason::kUserAsked : Reason::kFallback,
      native ? "custom_ops" : "kernels of this build, the fastest first");
  return {};
}

}  // namespace rw::ropewalk
