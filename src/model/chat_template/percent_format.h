// Python's two ways to put values into a text.
#pragma once

#include <string>
#include <string_view>

#include "model/chat_template/builtins.h"
#include "model/chat_template/value.h"

namespace rw::jinja {

// "%s is %d" % values: a tuple's items, a dict's by "%(name)s", or one value alone. `escape` makes
// the values safe for HTML, as a format that is markup does.
Result<std::string> PercentFormat(Meter& meter, std::string_view format, const Value& values,
                                  bool escape);

// "{} {0} {name} {name.x[0]!r}".format(...). Format specifications ("{:>8}") are refused.
Result<std::string> BraceFormat(Runtime& runtime, std::string_view format,
                                const CallArguments& arguments, bool escape);

}  // namespace rw::jinja
