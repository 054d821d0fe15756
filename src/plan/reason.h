// Why a decision came out as it did: a closed list, each with its sentence. A detail (which op,
// which setting, which number) stands beside it in the decision.
#pragma once

#include <cstdint>
#include <string_view>

namespace rw {

enum class Reason : uint8_t {
  // decisions
  kUserAsked,
  kLevelDefault,
  kOffAtLevel,
  kMeasured,
  kCited,
  kFallback,
  kConsequence,
  kNothingAsksForIt,
  kVllmRule,
  // what forbids
  kNoSuchOp,
  kNoKernel,
  kNoNativeCode,
  kNoMatch,
  kNotCompiled,
  kPlatformCannot,
  kSplitBetween,
  kCustomOpOff,
  kContainedIn,
  kPartOff,
  kCompetes,
  kNoTokens,
  kConflict,
  kOutOfRange,
  kOneDevice,
  kWholeGraph,
  // why a pass leaves a pattern alone
  kValueUsedElsewhere,
  kOrder,
  kDifferentAttributes,
  kNormOfWholeRow,
  kCacheReadBetween,
  kAliasedOperands,
  kAlreadyFused,
  kNoKernelForTypes,
};

std::string_view Name(Reason reason);      // "value-used-elsewhere"
std::string_view Sentence(Reason reason);  // "another op reads a value that would no longer exist"

}  // namespace rw
