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

// Whether a fusion works in steps of that many tokens, were there no others.
bool Fits(const Draft& draft, const FusionDef& fusion, int64_t tokens) {
  const Decision& decision = draft[fusion.knob];
  const bool below_threshold =
      !fusion.writes_cache() || tokens <= std::get<int64_t>(draft[kThreshold].value);
  // One that is included in a larger one has no layers of its own.
  const bool works = !draft.facts.graph || !decision.layers.empty();
  return draft.On(fusion.knob) && below_threshold && works &&
         (decision.tokens.empty() ||
          std::ranges::any_of(decision.tokens, [&](const Bounds& b) { return b.Has(tokens); }));
}

// Whether other fusions of the same steps leave this one nothing: those that include it take its
// layers, one that competes takes all if it found as many places and left none.
bool LeavesNothing(const Draft& draft, const FusionDef& fusion, int64_t tokens) {
  if (!draft.facts.graph) return false;
  std::vector<int> left = draft[fusion.knob].layers;
  for (const FusionDef& other : Fusions()) {
    if (other.knob == fusion.knob || !Fits(draft, other, tokens)) continue;
    const std::vector<int>& taken = draft[other.knob].layers;
    const auto& sites = draft.facts.graph->fusions[static_cast<size_t>(FusionIndex(other.knob))];
    if (std::ranges::find(other.competes, fusion.knob) != other.competes.end() &&
        sites.declined.empty() && taken.size() >= left.size()) {
      return true;
    }
    if (TakesFrom(other, fusion.knob)) {
      left = Without(std::move(left), taken);
    }
  }
  return left.empty();
}

std::vector<Knob> FusionsUpTo(const Draft& draft, int64_t tokens) {
  std::vector<Knob> on;
  for (const FusionDef& fusion : Fusions()) {
    if (Fits(draft, fusion, tokens) && !LeavesNothing(draft, fusion, tokens)) {
      on.push_back(fusion.knob);
    }
  }
  return on;
}

std::vector<std::string> NativeUpTo(const Draft& draft, int64_t tokens) {
  std::vector<std::string> native;
  for (const OpDecision& op : draft.ops) {
    if (!op.custom && op.tokens.Has(tokens)) native.push_back(op.op);
  }
  return native;
}

// A number of tokens after which a decision is another.
struct Change {
  int64_t last;
  std::string what;  // that changes
  Source source;
  std::optional<Knob> cause = std::nullopt;
};

std::vector<Change> Changes(const Draft& draft) {
  std::vector<Change> changes;
  for (const FusionDef& fusion : Fusions()) {
    const Decision& decision = draft[fusion.knob];
    for (const Bounds& tokens : decision.tokens) {
      const bool kernel = draft.facts.graph && tokens.most == SitesOf(draft, fusion).most_tokens;
      const std::string name(Def(fusion.knob).name);
      if (tokens.least > 1) {
        changes.push_back({tokens.least - 1, fmt::format("the measurement of {}", name),
                           decision.source, fusion.knob});
      }
      changes.push_back({tokens.most,
                         fmt::format("the {} of {}", kernel ? "kernel" : "measurement", name),
                         decision.source, fusion.knob});
    }
  }
  for (size_t i = 1; i < draft.ops.size(); ++i) {
    const OpDecision& before = draft.ops[i - 1];
    const OpDecision& after = draft.ops[i];
    if (before.op != after.op || before.custom == after.custom) continue;
    const Source source = std::min(before.source, after.source);
    changes.push_back({before.tokens.most, fmt::format("the measurement of {}", after.op), source});
  }
  return changes;
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
  for (const Change& change : Changes(draft)) {
    if (change.last >= max || !ends.insert(change.last).second) continue;
    if (change.cause) decision.cause = change.cause;
    decision.detail +=
        fmt::format("{}{} from {}", decision.detail.empty() ? "" : "; ", change.last, change.what);
    if (!draft.options.Asked(kEndpoints)) {
      decision.source = change.source;
      decision.reason = decision.cause ? Reason::kConsequence : Reason::kMeasured;
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
    draft.ranges.push_back({first, end, FusionsUpTo(draft, end), NativeUpTo(draft, end)});
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
    if (!native) providers.emplace_back(row.provider);
  }
  if (native) providers = {"native"};
  set(Knob::kRmsNormProviders, std::move(providers),
      native ? Reason::kUserAsked : Reason::kFallback,
      native ? "custom_ops" : "kernels of this build, the fastest first");
  return {};
}

}  // namespace rw::ropewalk
