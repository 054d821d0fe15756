// The filter `tojson` as transformers defines it: Python's json.dumps, without HTML escapes.
#pragma once

#include <optional>
#include <string>

#include "model/chat_template/value.h"

namespace rw::jinja {

struct JsonStyle {
  std::optional<std::string> indent;  // one level's worth; none: everything on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool ensure_ascii = false;
  bool sort_keys = false;
};

Result<std::string> ToJson(Meter& meter, const Value& value, const JsonStyle& style);

}  // namespace rw::jinja
