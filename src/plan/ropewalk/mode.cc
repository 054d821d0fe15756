// Whether the graph is compiled, where it is cut, which steps are captured.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plan/capture_sizes.h"
#include "plan/names.h"
#include "plan/ropewalk/draft.h"

namespace rw::ropewalk {
namespace {

constexpr std::string_view kEager = "--enforce-eager";

// A request that only a compiled graph can meet, if there is one.
std::optional<Knob> AsksForCompiling(const Options& options) {
  for (const FusionDef& fusion : Fusions()) {
    const bool* asked = options.Get<bool>(fusion.knob);
    if (asked != nullptr && *asked) return fusion.knob;
  }
  if (const auto* ops = options.Get<Names>(Knob::kSplittingOps); ops != nullptr && !ops->empty()) {
    return Knob::kSplittingOps;
  }
  if (const auto* mode = options.Get<int64_t>(Knob::kCudagraphMode);
      mode != nullptr && (*mode == static_cast<int64_t>(CudagraphMode::kPiecewise) ||
                          *mode == static_cast<int64_t>(CudagraphMode::kFullAndPiecewise))) {
    return Knob::kCudagraphMode;
  }
  for (const Knob knob : {Knob::kCompileSizes, Knob::kCompileRangesEndpoints}) {
    const auto* sizes = options.Get<Sizes>(knob);
    if (options.Asked(knob) && (sizes == nullptr || !sizes->empty())) return knob;
  }
  return std::nullopt;
}

std::vector<Ban> CudagraphBans(const Draft& draft) {
  std::vector<Ban> bans;
  const auto ban = [&](CudagraphMode mode, Reason reason, std::string detail,
                       std::vector<Knob> with = {}) {
    bans.push_back({Choose1(mode), reason, std::move(detail), std::move(with)});
  };
  const auto ban_all = [&](Reason reason, const std::string& detail) {
    for (const auto mode : {CudagraphMode::kPiecewise, CudagraphMode::kFull,
                            CudagraphMode::kFullDecodeOnly, CudagraphMode::kFullAndPiecewise}) {
      ban(mode, reason, detail);
    }
  };
  if (!draft.captures()) ban_all(Reason::kPlatformCannot, "a CPU captures no graphs");
  if (draft.options.enforce_eager) ban_all(Reason::kConflict, std::string(kEager));
  if (draft.facts.pooling) {
    for (const auto mode :
         {CudagraphMode::kFull, CudagraphMode::kFullDecodeOnly, CudagraphMode::kFullAndPiecewise}) {
      ban(mode, Reason::kPlatformCannot, "a pooling model has no decoding steps to capture whole");
    }
  }
  for (const auto mode : {CudagraphMode::kPiecewise, CudagraphMode::kFullAndPiecewise}) {
    if (!draft.compiled()) ban(mode, Reason::kNotCompiled, "mode=NONE", {Knob::kMode});
    if (std::get<Names>(draft[Knob::kSplittingOps].value).empty()) {
      ban(mode, Reason::kConflict, "splitting_ops is empty, so there is one piece",
          {Knob::kSplittingOps});
    }
  }
  return bans;
}

}  // namespace

Status DecideMode(Draft& draft) {
  const Options& options = draft.options;
  constexpr Knob kKnob = Knob::kMode;
  std::vector<Candidate> candidates;
  draft.AddUser(kKnob, candidates);
  if (options.enforce_eager) {
    candidates.push_back(
        {Source::kUser, Choose1(Mode::kNone), Reason::kUserAsked, std::string(kEager)});
  } else if (const auto cause = AsksForCompiling(options)) {
    // The level alone would not compile; a request that needs it outranks the level.
    if (options.level == 0) {
      candidates.push_back({Source::kUser, Choose1(Mode::kVllmCompile), Reason::kConsequence,
                            fmt::format("needed by {}", Def(*cause).name), *cause});
    }
  }
  candidates.push_back({Source::kLevel,
                        Choose1(options.level == 0 ? Mode::kNone : Mode::kVllmCompile),
                        Reason::kLevelDefault, fmt::format("O{}", options.level)});
  std::vector<Ban> bans;
  for (const auto mode : {Mode::kStockTorchCompile, Mode::kDynamoTraceOnce}) {
    bans.push_back({Choose1(mode), Reason::kPlatformCannot,
                    "Ropewalk has no torch.compile: use VLLM_COMPILE or NONE"});
  }
  if (options.enforce_eager) {
    bans.push_back({Choose1(Mode::kVllmCompile), Reason::kConflict, std::string(kEager)});
  }
  auto decision = Choose(kKnob, std::move(candidates), bans);
  if (!decision) return tl::unexpected(decision.error());
  draft.Set(*std::move(decision));
  return {};
}

Status DecideSplitting(Draft& draft) {
  std::vector<Candidate> candidates;
  draft.AddUser(Knob::kSplittingOps, candidates);
  const bool pieces = draft.captures() && draft.compiled() && draft.options.level > 0;
  if (pieces) {
    candidates.push_back({Source::kLevel, Names{"attention"}, Reason::kLevelDefault,
                          "pieces between attention ops are captured"});
  }
  candidates.push_back({Source::kFallback, Names{}, Reason::kWholeGraph,
                        draft.captures()
                            ? "nothing is captured in pieces"
                            : "pieces serve captured graphs, and a CPU captures none"});
  std::vector<Ban> bans;
  const Names* asked = draft.options.Get<Names>(Knob::kSplittingOps);
  if (asked != nullptr && !asked->empty() && !draft.compiled()) {
    bans.push_back({*asked, Reason::kNotCompiled, "mode=NONE", {Knob::kMode}});
  }
  auto decision = Choose(Knob::kSplittingOps, std::move(candidates), bans);
  if (!decision) return tl::unexpected(decision.error());
  draft.Set(*std::move(decision));

  candidates.clear();
  draft.AddUser(Knob::kUseInductorGraphPartition, candidates);
  candidates.push_back({Source::kFallback, true, Reason::kFallback,
                        "passes see the whole graph, and cutting after them costs nothing"});
  draft.Set(*Choose(Knob::kUseInductorGraphPartition, std::move(candidates), {}));
  return {};
}

Status DecideCudagraphs(Draft& draft) {
  std::vector<Candidate> candidates;
  draft.AddUser(Knob::kCudagraphMode, candidates);
  constexpr CudagraphMode kByLevel[] = {CudagraphMode::kNone, CudagraphMode::kPiecewise,
                                        CudagraphMode::kFullAndPiecewise,
                                        CudagraphMode::kFullAndPiecewise};
  const int level = draft.options.level;
  candidates.push_back(
      {Source::kLevel, Choose1(kByLevel[level]), Reason::kLevelDefault, fmt::format("O{}", level)});
  // What is left of the level's wish where it cannot be met.
  if (level >= 2) {
    candidates.push_back({Source::kFallback, Choose1(CudagraphMode::kFull), Reason::kFallback});
    candidates.push_back(
        {Source::kFallback, Choose1(CudagraphMode::kPiecewise), Reason::kFallback});
  }
  candidates.push_back({Source::kFallback, Choose1(CudagraphMode::kNone), Reason::kFallback});
  auto decision = Choose(Knob::kCudagraphMode, std::move(candidates), CudagraphBans(draft));
  if (!decision) return tl::unexpected(decision.error());
  draft.Set(*std::move(decision));
  return {};
}

namespace {

// Sizes that the user asked for, or why they cannot be.
tl::expected<Sizes, Refusal> AskedSizes(const Draft& draft, bool capturing) {
  constexpr Knob kKnob = Knob::kCudagraphCaptureSizes;
  Sizes sizes = *draft.options.Get<Sizes>(kKnob);
  std::ranges::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  if (!capturing && !sizes.empty()) {
    return tl::unexpected(Refuse(kKnob, sizes, Reason::kConflict,
                                 "no graph is captured: cudagraph_mode=NONE",
                                 {Knob::kCudagraphMode}));
  }
  if (capturing && sizes.empty()) {
    return tl::unexpected(
        Refuse(kKnob, sizes, Reason::kConflict,
               "graphs are captured, but for no size; cudagraph_mode=NONE captures none",
               {Knob::kCudagraphMode}));
  }
  if (!sizes.empty() && sizes.back() > draft.facts.max_num_batched_tokens) {
    return tl::unexpected(
        Refuse(kKnob, sizes, Reason::kOutOfRange,
               fmt::format("a step has at most max_num_batched_tokens = {} tokens",
                           draft.facts.max_num_batched_tokens)));
  }
  const int64_t* max = draft.options.Get<int64_t>(Knob::kMaxCudagraphCaptureSize);
  if (max != nullptr && !sizes.empty() && *max != sizes.back()) {
    return tl::unexpected(Refuse(kKnob, sizes, Reason::kConflict,
                                 fmt::format("max_cudagraph_capture_size={}", *max),
                                 {Knob::kMaxCudagraphCaptureSize}));
  }
  return sizes;
}

// The largest size for which there is a graph, where no list was given.
tl::expected<int64_t, Refusal> LargestSize(const Draft& draft, bool capturing) {
  constexpr Knob kKnob = Knob::kMaxCudagraphCaptureSize;
  const int64_t* asked = draft.options.Get<int64_t>(kKnob);
  if (asked == nullptr) return capturing ? DefaultMaxCaptureSize(draft.facts) : 0;
  if (!capturing && *asked > 0) {
    return tl::unexpected(Refuse(kKnob, *asked, Reason::kConflict,
                                 "no graph is captured: cudagraph_mode=NONE",
                                 {Knob::kCudagraphMode}));
  }
  if (capturing && (*asked < 1 || *asked > draft.facts.max_num_batched_tokens)) {
    return tl::unexpected(Refuse(kKnob, *asked, Reason::kOutOfRange,
                                 fmt::format("expected 1 to max_num_batched_tokens = {}",
                                             draft.facts.max_num_batched_tokens)));
  }
  return *asked;
}

}  // namespace

Status DecideCaptureSizes(Draft& draft) {
  const bool capturing = draft[Knob::kCudagraphMode].value != Choose1(CudagraphMode::kNone);
  const bool listed = draft.options.Asked(Knob::kCudagraphCaptureSizes);
  auto largest = LargestSize(draft, capturing);
  if (!largest) return tl::unexpected(largest.error());
  Sizes sizes;
  if (listed) {
    auto asked = AskedSizes(draft, capturing);
    if (!asked) return tl::unexpected(asked.error());
    sizes = *std::move(asked);
    if (!sizes.empty()) largest = sizes.back();
  } else {
    sizes = GenerateCaptureSizes(*largest);
    // A largest size that was asked for is captured, whatever the steps are.
    if (!sizes.empty() && sizes.back() != *largest) sizes.push_back(*largest);
  }
  const auto source = [&](bool asked) {
    return asked ? Source::kUser : capturing ? Source::kLevel : Source::kLegality;
  };
  const auto reason = [&](bool asked) {
    return asked       ? Reason::kUserAsked
           : capturing ? Reason::kLevelDefault
                       : Reason::kNothingAsksForIt;
  };
  const std::string detail = capturing ? "" : "no graph is captured";
  const bool max_asked = draft.options.Asked(Knob::kMaxCudagraphCaptureSize);
  draft.Set({.knob = Knob::kCudagraphCaptureSizes,
             .value = sizes,
             .source = source(listed),
             .reason = reason(listed),
             .detail = detail});
  draft.Set({.knob = Knob::kMaxCudagraphCaptureSize,
             .value = *largest,
             .source = source(max_asked),
             .reason = reason(max_asked),
             .detail = detail});
  return {};
}

}  // namespace rw::ropewalk
