#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plan/capture_sizes.h"
#include "plan/vllm/hardware.h"
#include "plan/vllm/steps.h"

namespace rw::vllm {
namespace {

using enum Knob;

void SortUnique(Sizes& sizes) {
  std::ranges::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
}

void NoSizes(State& state) {
  const Why why = {"nothing is captured", Reason::kConsequence, kCudagraphMode};
  state.Set(kCudagraphCaptureSizes, Sizes{}, why);
  state.Set(kMaxCudagraphCaptureSize, int64_t{0}, why);
}

// The candidates before sequence parallelism removes some; none if the request is refused.
std::optional<Sizes> Candidates(State& state) {
  const int64_t tokens = state.facts().max_num_batched_tokens;
  const auto* asked_max = state.Find<int64_t>(kMaxCudagraphCaptureSize);
  const int64_t largest =
      asked_max != nullptr ? std::min(*asked_max, tokens) : DefaultMaxCaptureSize(state.facts());
  if (largest < 1) {
    state.Refuse("max-capture-zero",
                 "max_cudagraph_capture_size is 0 while CUDA graphs are on; give 1 or more, or "
                 "cudagraph_mode NONE",
                 {kMaxCudagraphCaptureSize, kCudagraphMode});
    return std::nullopt;
  }
  Sizes sizes;
  if (const auto* asked = state.Find<Sizes>(kCudagraphCaptureSizes)) {
    if (asked->empty()) {
      state.Refuse("capture-sizes-empty",
                   "cudagraph_capture_sizes is empty while CUDA graphs are on; list a size, or "
                   "give cudagraph_mode NONE",
                   {kCudagraphCaptureSizes, kCudagraphMode});
      return std::nullopt;
    }
    sizes = *asked;
    std::erase_if(sizes, [&](int64_t size) { return size > tokens; });
  } else {
    sizes = GenerateCaptureSizes(largest);
    if (tokens <= largest) sizes.push_back(tokens);
  }
  SortUnique(sizes);
  return sizes;
}

void DropOddSizes(State& state, Sizes& sizes) {
  const int64_t devices = state.facts().tensor_parallel_size;
  if (devices <= 1 || !state.On(kEnableSp)) return;
  const auto odd = [&](int64_t size) { return size % devices != 0; };
  if (std::erase_if(sizes, odd) == 0) return;
  state.Warn("sizes-not-multiple-of-tp",
             fmt::format("sequence parallelism captures no size that is not a multiple of {}, the "
                         "tensor-parallel size",
                         devices));
}

void SetMax(State& state, const Sizes& sizes) {
  const int64_t largest = sizes.empty() ? 0 : sizes.back();
  const auto* asked = state.Find<int64_t>(kMaxCudagraphCaptureSize);
  if (asked != nullptr && *asked != largest) {
    if (state.Has(kCudagraphCaptureSizes)) {
      return state.Refuse("max-capture-inconsistent",
                          fmt::format("max_cudagraph_capture_size is {} but the largest of "
                                      "cudagraph_capture_sizes that can be captured is {}; make "
                                      "them agree or drop one",
                                      *asked, largest),
                          {kMaxCudagraphCaptureSize, kCudagraphCaptureSizes});
    }
    state.Warn(
        "max-capture-truncated",
        fmt::format("max_cudagraph_capture_size becomes {}, the largest generated size", largest));
  }
  state.Set(kMaxCudagraphCaptureSize, largest,
            {"the largest captured size", Reason::kConsequence, kCudagraphCaptureSizes});
}

void SetSizes(State& state, Sizes sizes) {
  const auto* asked = state.Find<Sizes>(kCudagraphCaptureSizes);
  if (asked == nullptr) {
    state.Set(kCudagraphCaptureSizes, std::move(sizes),
              {"generated: 1, 2, 4, steps of 8 below 256 and of 16 from there"});
  } else if (sizes.size() < asked->size()) {
    state.Warn("capture-sizes-overridden",
               fmt::format("cudagraph_capture_sizes [{}] becomes [{}]", fmt::join(*asked, ", "),
                           fmt::join(sizes, ", ")));
    state.Set(kCudagraphCaptureSizes, std::move(sizes),
              {"repeated sizes, sizes above max_num_batched_tokens and sizes that sequence "
               "parallelism cannot use are dropped"});
  } else if (sizes != *asked) {
    state.Extend(kCudagraphCaptureSizes, std::move(sizes), "sorted");
  }
}

}  // namespace

void CaptureSizes(State& state) {
  if (state.facts().platform.device == Device::kCpu) return;
  if (state.Is(CudagraphMode::kNone)) return NoSizes(state);
  std::optional<Sizes> sizes = Candidates(state);
  if (!sizes) return;
  DropOddSizes(state, *sizes);
  SetMax(state, *sizes);
  if (!state.refusal) SetSizes(state, *std::move(sizes));
}

void CompileSizes(State& state) {
  if (!state.Has(kCompileSizes)) {
    return state.Set(kCompileSizes, Sizes{}, {"one executable for each range of tokens is enough"});
  }
  Sizes sizes;
  if (const auto* asked = state.Find<Sizes>(kCompileSizes)) sizes = *asked;
  if (state.Lists(kCompileSizes, kCaptureSizes)) {
    if (const auto* captured = state.Find<Sizes>(kCudagraphCaptureSizes)) sizes = *captured;
  }
  SortUnique(sizes);
  if (state.slot(kCompileSizes).value != KnobValue(sizes)) {
    state.Extend(kCompileSizes, std::move(sizes), "each size once");
  }
}

void CompileRanges(State& state) {
  const int64_t tokens = state.facts().max_num_batched_tokens;
  Sizes ends = {tokens};
  std::string why = fmt::format("{} is max_num_batched_tokens", tokens);
  const auto add = [&](int64_t end, Knob cause) {
    if (end >= tokens) return;
    ends.push_back(end);
    why += fmt::format(", {} is for {}", end, Def(cause).name);
  };
  if (state.On(kFuseAllreduceRms)) {
    if (const auto most = AllreduceMaxTokens(state)) add(*most, kFuseAllreduceRms);
  }
  if (const auto* least = state.Find<int64_t>(kSpMinTokenNum);
      least != nullptr && state.On(kEnableSp) && *least > 1 && *least < tokens) {
    add(*least - 1, kEnableSp);
  }
  const auto* threshold = state.Find<int64_t>(kRopeKvcacheFusionMaxTokenNum);
  for (const Knob knob : {kFuseRopeKvcache, kFuseQkNormRopeKvcache}) {
    if (state.On(knob) && threshold != nullptr) add(*threshold, knob);
  }
  const auto* asked = state.Find<Sizes>(kCompileRangesEndpoints);
  bool all_kept = true;
  for (const int64_t end : asked != nullptr ? *asked : Sizes{}) {
    if (end < 1) {
      return state.Refuse(
          "range-endpoint-not-positive",
          fmt::format("compile_ranges_endpoints: expected 1 or more, found {}", end),
          {kCompileRangesEndpoints});
    }
    const bool keep = end > 1 && end < tokens;
    if (keep) ends.push_back(end);
    all_kept = all_kept && (keep || end == tokens);
  }
  std::ranges::sort(ends);
  if (all_kept) return state.Extend(kCompileRangesEndpoints, std::move(ends), why);
  why += fmt::format("; endpoints not between 1 and {} are dropped", tokens);
  state.Set(kCompileRangesEndpoints, std::move(ends), {std::move(why)});
}

void CompileSizePadding(State& state) {
  const auto* sizes = state.Find<Sizes>(kCompileSizes);
  const auto* captured = state.Find<Sizes>(kCudagraphCaptureSizes);
  if (sizes == nullptr || captured == nullptr || captured->empty() ||
      state.Is(CudagraphMode::kNone)) {
    return;
  }
  for (const int64_t size : *sizes) {
    const auto padded = std::ranges::lower_bound(*captured, size);
    if (padded == captured->end() || *padded == size) continue;
    return state.Refuse("compile-size-padded",
                        fmt::format("compile_sizes: a step of {} tokens is padded to {}, the next "
                                    "captured size, so {} is never run; compile {} or capture {}",
                                    size, *padded, size, *padded, size),
                        {kCompileSizes, kCudagraphCaptureSizes});
  }
}

}  // namespace rw::vllm
