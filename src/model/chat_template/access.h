// Attributes, items, slices and iteration.
#pragma once

#include <string_view>
#include <vector>

#include "model/chat_template/runtime.h"

namespace rw::jinja {

// x.name: a method or a loop's property first, then an item of that name. Undefined where there is
// none, and where the sandbox forbids it: names such as "__class__", methods that change things.
Result<Value> GetAttribute(Runtime& runtime, const Value& x, std::string_view name);
// x[key]: the item first, then the attribute of that name.
Result<Value> GetItem(Runtime& runtime, const Value& x, const Value& key);
// x[start:stop:step] of a string, list, tuple or range; none stands for a bound left out.
Result<Value> GetSlice(Runtime& runtime, const Value& x, const Value& start, const Value& stop,
                       const Value& step);

// What a loop over x goes through. A generator is used up by it.
Result<std::vector<Value>> Items(Runtime& runtime, const Value& x);
// len(x).
Result<int64_t> Length(Runtime& runtime, const Value& x);
// What x.items() and the like make; of a dict.
Result<Value> DictView(Runtime& runtime, const Dict& dict, SequenceKind kind);

}  // namespace rw::jinja
