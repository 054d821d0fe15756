// How values read as text, and whether they are true: Python's str(), repr() and bool().
#pragma once

#include <string>

#include "model/chat_template/value.h"

namespace rw::jinja {

bool Truthy(const Value& value);

// str(value). An undefined value is the empty string.
Result<std::string> Str(Meter& meter, const Value& value);
// The value itself if it is a string (markup or not), else str(value) as a new one.
Result<Value> SoftStr(Meter& meter, const Value& value);
Result<std::string> Repr(Meter& meter, const Value& value);

}  // namespace rw::jinja
