#include "model/chat_template/attribute_path.h"

#include "model/chat_template/access.h"
#include "model/chat_template/number.h"
#include "model/chat_template/text.h"

namespace rw::jinja {

Result<AttributePath> AttributePath::Parse(Runtime& runtime, const Value& path) {
  AttributePath parsed;
  if (path.is(Kind::kNone)) return parsed;
  if (!path.is_string()) {
    parsed.keys_.push_back(path);
    return parsed;
  }
  RW_TRY(runtime.meter().Work(path.string().size()));
  for (const std::string_view part : Split(path.string(), ".", -1)) {
    RW_TRY(runtime.meter().Step());
    const bool digits = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
    if (digits) {
      RW_ASSIGN(const std::optional<int64_t> index, ParseInt(part, 10));
      parsed.keys_.push_back(Value::Int(index.value_or(0)));
    } else {
      RW_ASSIGN(Value key, NewString(runtime.meter(), std::string(part)));
      parsed.keys_.push_back(std::move(key));
    }
  }
  return parsed;
}

Result<Value> AttributePath::Get(Runtime& runtime, const Value& item,
                                 const std::optional<Value>& otherwise) const {
  RW_TRY(runtime.meter().Step());
  Value value = item;
  for (const Value& key : keys_) {
    RW_ASSIGN(value, GetItem(runtime, value, key));
    if (value.is_undefined() && otherwise.has_value()) value = *otherwise;
  }
  return value;
}

Result<Value> IgnoringCase(Runtime& runtime, Value value) {
  if (!value.is_string()) return value;
  RW_TRY(runtime.meter().Work(value.string().size()));
  return NewString(runtime.meter(), Lower(value.string()));
}

}  // namespace rw::jinja
