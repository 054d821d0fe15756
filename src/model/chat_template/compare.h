// Equality, order, hashing and membership, by Python's rules.
#pragma once

#include <string_view>

#include "model/chat_template/value.h"

namespace rw::jinja {

// A null meter counts nothing.
Result<bool> Equal(const Value& a, const Value& b, Meter* meter);
Result<bool> Less(const Value& a, const Value& b, Meter* meter);
Result<bool> Contains(Meter& meter, const Value& container, const Value& item);

// Equal keys hash alike. An error for what Python does not hash: lists and dicts.
Result<size_t> Hash(const Value& value, Meter* meter);
size_t HashBytes(std::string_view bytes);

}  // namespace rw::jinja
