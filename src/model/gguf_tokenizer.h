// The tokenizer in a GGUF file.
#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "model/gguf.h"
#include "model/tokenizer/tokenizer.h"

namespace rw {

// The tokenizer.json that the keys tokenizer.ggml.* stand for: byte-level BPE ("gpt2") with the
// split that tokenizer.ggml.pre names, or SentencePiece's BPE ("llama"), whose merges follow from
// the scores. What a tokenizer.json says and the keys do not is taken to be as the models of that
// name published it.
Result<std::string> GgufTokenizerJson(const GgufModel& model);

Result<Tokenizer> GgufTokenizer(const GgufModel& model);

// The text of the token that "tokenizer.ggml.<key>" gives the id of; nullopt: there is none.
Result<std::optional<std::string>> GgufSpecialToken(const GgufModel& model, std::string_view key);

}  // namespace rw
