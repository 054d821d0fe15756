// Operations on strings that filters and methods share; all are counted and keep markup as markup.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/chat_template/runtime.h"

namespace rw::jinja {

// A new string that is markup if `source` is.
Result<Value> Like(Runtime& runtime, const Value& source, std::string_view text);

// str.replace: at most `count` times, unless negative. An empty `old` stands between all
// characters.
Result<std::string> Replace(Meter& meter, std::string_view text, std::string_view old,
                            std::string_view replacement, int64_t count);

// separator.join(...) of the str() of each item; with `escape`, items that are no markup get
// escaped.
Result<std::string> JoinTexts(Meter& meter, std::string_view separator,
                              const std::vector<Value>& items, bool escape);

// The list of strings (markup if `source` is) for parts of a split.
Result<Value> PartsList(Runtime& runtime, const Value& source,
                        const std::vector<std::string_view>& parts);

}  // namespace rw::jinja
