// tokenizer.json's "model": how a piece of text becomes token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "model/tokenizer/vocab.h"

namespace rw::tok {

// Tokenizes pieces one after the other; holds the memory that doing so needs. Not for several
// threads at once. The model must outlive it.
class PieceEncoder {
 public:
  virtual ~PieceEncoder() = default;
  // Appends the ids of `piece`: valid UTF-8, not empty, less than 4 GiB.
  virtual Status Encode(std::string_view piece, std::vector<int32_t>& ids) = 0;
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  virtual const Vocab& vocab() const = 0;
  // The token for what the vocabulary cannot spell, or -1.
  virtual int32_t unknown_id() const = 0;
  // Tokens in `banned` count as absent from the vocabulary. `banned` must outlive the encoder.
  virtual std::unique_ptr<PieceEncoder> NewEncoder(const IdSet& banned) const = 0;
};

// BPE or Unigram.
Result<std::unique_ptr<TokenModel>> ParseTokenModel(const Json& json);

// The ids of the tokens <0x00> ... <0xFF>, by byte; -1 for those that `vocab` lacks.
std::vector<int32_t> ByteTokens(const Vocab& vocab);

}  // namespace rw::tok
