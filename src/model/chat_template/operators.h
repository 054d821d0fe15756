// Arithmetic on values, with Python's rules. Integers have 64 bits; what overflows is an error.
#pragma once

#include "model/chat_template/ast.h"
#include "model/chat_template/runtime.h"

namespace rw::jinja {

Result<Value> Arithmetic(Runtime& runtime, Op op, const Value& a, const Value& b);
Result<Value> Negative(const Value& x);
Result<Value> Positive(const Value& x);
Result<bool> CompareValues(Runtime& runtime, Op op, const Value& a, const Value& b);

}  // namespace rw::jinja
