// The keyword argument `attribute` of filters: "a.b.0", or an integer.
#pragma once

#include <optional>
#include <vector>

#include "model/chat_template/runtime.h"

namespace rw::jinja {

class AttributePath {
 public:
  AttributePath() = default;  // the value itself
  static Result<AttributePath> Parse(Runtime& runtime, const Value& path);

  // What stands there in `item`; `otherwise`, if given, replaces what is undefined on the way.
  Result<Value> Get(Runtime& runtime, const Value& item,
                    const std::optional<Value>& otherwise = std::nullopt) const;

 private:
  std::vector<Value> keys_;
};

// Filters that sort or compare ignore the case of strings unless told otherwise.
Result<Value> IgnoringCase(Runtime& runtime, Value value);

}  // namespace rw::jinja
