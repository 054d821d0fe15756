// The fields that the pre-tokenizer and the decoder named Metaspace share.
#pragma once

#include <string>

#include "base/json.h"
#include "base/status.h"

namespace rw::tok {

struct MetaspaceFields {
  enum class Prepend { kFirst, kNever, kAlways };
  std::string replacement;  // one code point
  Prepend prepend = Prepend::kAlways;
  bool split = true;
};

Result<MetaspaceFields> ParseMetaspaceFields(const Json& json);

}  // namespace rw::tok
