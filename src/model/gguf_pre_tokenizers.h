// How text is split before BPE, by the names that GGUF files have for it.
#pragma once

#include <string>
#include <string_view>

namespace rw {

// Parts of a tokenizer.json, as JSON text.
struct GgufPreTokenizer {
  std::string_view name;  // tokenizer.ggml.pre
  std::string_view normalizer;
  std::string_view pre_tokenizer;
  bool ignore_merges;  // a piece that is a token as it stands is that token
  bool add_bos;        // where the file does not say
};

// The row of that name, or nullptr.
const GgufPreTokenizer* FindGgufPreTokenizer(std::string_view name);

// "llama-bpe, qwen2, ...", for messages.
std::string GgufPreTokenizerNames();

}  // namespace rw
