// Reading the members of tokenizer.json's objects. An absent or null member is its fallback; a
// member of the wrong type is an error that names its place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace rw::tok {

Result<bool> BoolField(const Json& object, std::string_view key, bool fallback);
Result<std::optional<std::string>> StringField(const Json& object, std::string_view key);
// A string of exactly one code point.
Result<std::string> CharField(const Json& object, std::string_view key);
// A whole number that is not negative.
Result<uint64_t> CountField(const Json& object, std::string_view key);
// A token id: 0 ... 2^31 - 1.
Result<int32_t> TokenIdValue(const Json& value);

// Whether `value` is the string `text`.
bool IsString(const Json& value, std::string_view text);

// The entry of `table`, whose entries have a `name`, that object's string at `key` names. An error
// lists the names.
template <class Entry, size_t N>
Result<const Entry*> PickByName(const Entry (&table)[N], const Json& object, std::string_view key) {
  RW_ASSIGN(const Json value, object.Get(key));
  for (const Entry& entry : table) {
    if (IsString(value, entry.name)) return &entry;
  }
  std::string names;
  for (const Entry& entry : table) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return value.Expected("one of " + names);
}

// Stages may make text longer. To keep the memory for a text within bounds whatever the file says,
// the product of what a chain's stages may multiply the length with is limited.
inline constexpr double kMaxGrowth = 4096;
Status CheckGrowth(double growth, const Json& place);

}  // namespace rw::tok
