// Reading the keys of a configuration object: a range for every number, and null taken for absent,
// as transformers takes it for most keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace rw {

struct IntRange {
  int64_t min;
  int64_t max;
};
struct NumberRange {
  double min;
  double max;
};

// The bounds keep what is computed from such numbers finite in float32.
inline constexpr NumberRange kPositive = {1e-30, 1e30};

// The member's value; nullopt if it is absent or null.
std::optional<Json> FindPresent(const Json& object, std::string_view key);

Result<int64_t> ReadInt(const Json& value, IntRange range);
Result<double> ReadNumber(const Json& value, NumberRange range);

// A member with a default for absent and null.
Result<int64_t> IntOr(const Json& object, std::string_view key, IntRange range, int64_t absent);
Result<double> NumberOr(const Json& object, std::string_view key, NumberRange range, double absent);
Result<bool> BoolOr(const Json& object, std::string_view key, bool absent);
Result<std::optional<double>> OptionalNumber(const Json& object, std::string_view key,
                                             NumberRange range);

// Readers disagree on which of two equal keys holds, so they are an error.
Status RefuseRepeatedKeys(const Json& object);

}  // namespace rw
