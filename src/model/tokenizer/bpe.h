// The BPE model of tokenizer.json: byte-level, or SentencePiece's with byte fallback.
#pragma once

#include <memory>

#include "base/json.h"
#include "base/status.h"
#include "model/tokenizer/token_model.h"

namespace rw::tok {

// Refused: dropout other than 0. Merges are ["a", "b"] or "a b".
Result<std::unique_ptr<TokenModel>> ParseBpe(const Json& json);

}  // namespace rw::tok
