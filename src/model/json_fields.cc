#include "model/json_fields.h"

#include <string>
#include <unordered_set>

namespace rw {

std::optional<Json> FindPresent(const Json& object, std::string_view key) {
  auto value = object.Find(key);
  if (value && value->is_null()) return std::nullopt;
  return value;
}

Result<int64_t> ReadInt(const Json& value, IntRange range) {
  const auto number = value.AsInt();
  if (!number || *number < range.min || *number > range.max) {
    return value.Expected(fmt::format("a whole number from {} to {}", range.min, range.max));
  }
  return *number;
}

Result<double> ReadNumber(const Json& value, NumberRange range) {
  const auto number = value.AsDouble();
  if (!number || !(*number >= range.min && *number <= range.max)) {
    return value.Expected(fmt::format("a number from {:g} to {:g}", range.min, range.max));
  }
  return *number;
}

Result<int64_t> IntOr(const Json& object, std::string_view key, IntRange range, int64_t absent) {
  const auto value = FindPresent(object, key);
  if (!value) return absent;
  return ReadInt(*value, range);
}

Result<double> NumberOr(const Json& object, std::string_view key, NumberRange range,
                        double absent) {
  const auto value = FindPresent(object, key);
  if (!value) return absent;
  return ReadNumber(*value, range);
}

Result<bool> BoolOr(const Json& object, std::string_view key, bool absent) {
  const auto value = FindPresent(object, key);
  if (!value) return absent;
  return value->AsBool();
}

Result<std::optional<double>> OptionalNumber(const Json& object, std::string_view key,
                                             NumberRange range) {
  const auto value = FindPresent(object, key);
  if (!value) return std::optional<double>();
  RW_ASSIGN(const double number, ReadNumber(*value, range));
  return std::optional<double>(number);
}

Status RefuseRepeatedKeys(const Json& object) {
  std::unordered_set<std::string_view> keys;
  return object.ForEachMember([&](std::string_view key, Json value) -> Status {
    if (!keys.insert(key).second) return Err("{}: expected once, found twice", value.where());
    return {};
  });
}

}  // namespace rw
