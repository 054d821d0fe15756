// The kinds of DecodeStage that tokenizer.json can ask for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/tokenizer/decode_stage.h"
#include "model/tokenizer/pattern.h"

namespace rw::tok {

// Characters of the byte-level alphabet to bytes, all tokens becoming one; a token with any other
// character stands for its own bytes. Bytes that are no UTF-8 become U+FFFD.
StageMaker ByteLevelStage();

// Tokens <0xHH> to bytes. A row of them that is no UTF-8 becomes one U+FFFD for each, so such a row
// is held back until another token ends it.
StageMaker ByteFallbackStage();

// All tokens become one.
StageMaker FuseStage();

// Replaces matches in each token. A token is held back until it ends, so behind Fuse or ByteLevel
// nothing comes out before Finish. A token for which the regex takes too many steps stays as it is.
StageMaker ReplaceStage(Pattern pattern, std::string content);

// Takes up to `start` times `character` off the front of each token, and up to `stop` off its end.
StageMaker StripStage(std::string character, uint64_t start, uint64_t stop);

// `replacement` becomes a space, or nothing in the first token if `drop_in_first`.
StageMaker MetaspaceStage(std::string replacement, bool drop_in_first);

}  // namespace rw::tok
