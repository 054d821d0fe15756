// tokenizer.json's "post_processor": the special tokens around a text.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace rw::tok {

struct SpecialFrame {
  std::vector<int32_t> before;
  std::vector<int32_t> behind;
};

// TemplateProcessing (its "single" template, which must hold the text once), BertProcessing,
// RobertaProcessing, ByteLevel (no effect on ids) or a Sequence of these; null is none. Ids must be
// ones that `known` knows.
Result<SpecialFrame> ParsePostProcessor(const Json& json,
                                        const std::function<bool(int32_t)>& known);

}  // namespace rw::tok
