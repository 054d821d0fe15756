// The Unigram model of tokenizer.json: the most likely way to cut a piece into tokens.
#pragma once

#include <memory>

#include "base/json.h"
#include "base/status.h"
#include "model/tokenizer/token_model.h"

namespace rw::tok {

Result<std::unique_ptr<TokenModel>> ParseUnigram(const Json& json);

}  // namespace rw::tok
