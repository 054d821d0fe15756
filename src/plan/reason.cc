#include "plan/reason.h"

#include <iterator>

#include "base/check.h"

namespace rw {
namespace {

struct Row {
  Reason reason;
  std::string_view name;
  std::string_view sentence;
};

using enum Reason;
constexpr Row kRows[] = {
    {kUserAsked, "user-asked", "you asked for it"},
    {kLevelDefault, "level-default", "the default of this level"},
    {kOffAtLevel, "off-at-level", "this level does not try it"},
    {kMeasured, "measured", "measured on this kind of machine"},
    {kCited, "cited", "published by others, not measured here"},
    {kFallback, "fallback", "nothing says otherwise"},
    {kConsequence, "consequence", "follows from another decision"},
    {kNothingAsksForIt, "nothing-asks-for-it", "nothing that is on asks for it"},
    {kVllmRule, "vllm-rule", "set by a rule of vLLM"},
    {kNoSuchOp, "no-such-op", "no such op in this graph"},
    {kNoKernel, "no-kernel", "this build has no kernel for it on this platform"},
    {kNoNativeCode, "no-native-code", "nothing generates native code for it on this device"},
    {kNoMatch, "no-match", "the pattern stands nowhere in this graph"},
    {kNotCompiled, "not-compiled", "passes do not run: the graph is not compiled"},
    {kPlatformCannot, "platform-cannot", "the platform has no such thing"},
    {kSplitBetween, "split-between", "the graph is cut between the ops it would join"},
    {kCustomOpOff, "custom-op-off", "the hand-written op that it needs is switched off"},
    {kContainedIn, "contained-in", "a larger fusion includes it"},
    {kPartOff, "part-off", "a fusion that it includes was switched off"},
    {kCompetes, "competes", "another fusion takes the same op"},
    {kNoTokens, "no-tokens", "no step is small enough"},
    {kConflict, "conflict", "two requests contradict each other"},
    {kOutOfRange, "out-of-range", "a number lies outside of what is possible"},
    {kOneDevice, "one-device", "the engine runs on one device"},
    {kWholeGraph, "whole-graph", "the graph stays whole"},
    {kValueUsedElsewhere, "value-used-elsewhere",
     "another op reads a value that would no longer exist"},
    {kOrder, "order", "no place in the order of the graph fits the fused op"},
    {kDifferentAttributes, "different-attributes", "the ops to join differ in an attribute"},
    {kNormOfWholeRow, "norm-of-whole-row", "the norm spans all heads, not one"},
    {kCacheReadBetween, "cache-read-between", "the cache is read in the state before the write"},
    {kAliasedOperands, "aliased-operands", "one value stands for two operands"},
    {kAlreadyFused, "already-fused", "the ops are fused already"},
    {kNoKernelForTypes, "no-kernel-for-types", "no kernel takes these element types"},
};
static_assert(std::size(kRows) == static_cast<size_t>(kNoKernelForTypes) + 1);

const Row& RowOf(Reason reason) {
  const Row& row = kRows[static_cast<size_t>(reason)];
  RW_CHECK(row.reason == reason, "reason table out of order at {}", row.name);
  return row;
}

}  // namespace

std::string_view Name(Reason reason) { return RowOf(reason).name; }
std::string_view Sentence(Reason reason) { return RowOf(reason).sentence; }

}  // namespace rw
