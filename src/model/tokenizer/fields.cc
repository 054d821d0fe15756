#include "model/tokenizer/fields.h"

#include <limits>

#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

std::optional<Json> FindValue(const Json& object, std::string_view key) {
  auto value = object.Find(key);
  if (value && value->is_null()) return std::nullopt;
  return value;
}

}  // namespace

Result<bool> BoolField(const Json& object, std::string_view key, bool fallback) {
  const auto value = FindValue(object, key);
  if (!value) return fallback;
  return value->AsBool();
}

Result<std::optional<std::string>> StringField(const Json& object, std::string_view key) {
  const auto value = FindValue(object, key);
  if (!value) return std::nullopt;
  RW_ASSIGN(const std::string_view text, value->AsString());
  return std::string(text);
}

Result<std::string> CharField(const Json& object, std::string_view key) {
  RW_ASSIGN(const Json value, object.Get(key));
  if (!value.is_string() || !IsOneCodePoint(*value.AsString())) {
    return value.Expected("a string of one character");
  }
  return std::string(*value.AsString());
}

Result<uint64_t> CountField(const Json& object, std::string_view key) {
  RW_ASSIGN(const Json value, object.Get(key));
  const auto count = value.AsInt();
  if (!count || *count < 0) return value.Expected("a whole number that is not negative");
  return static_cast<uint64_t>(*count);
}

bool IsString(const Json& value, std::string_view text) {
  const auto found = value.AsString();
  return found && *found == text;
}

Result<int32_t> TokenIdValue(const Json& value) {
  const auto id = value.AsInt();
  if (!id || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
    return value.Expected("a token id from 0 to 2147483647");
  }
  return static_cast<int32_t>(*id);
}

Status CheckGrowth(double growth, const Json& place) {
  if (growth <= kMaxGrowth) return {};
  return Err("{}: expected stages that make text at most {} times as long, found {:.0f} times",
             place.where(), kMaxGrowth, growth);
}

}  // namespace rw::tok
