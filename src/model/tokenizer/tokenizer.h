// Hugging Face's tokenizer.json: text to token ids and back, id for id as the library `tokenizers`
// (0.23) does it.
//
// Read: added_tokens, normalizer, pre_tokenizer, model (BPE, Unigram), post_processor (for one
// text), decoder; what each may hold is said in the headers beside this one. Truncation and padding
// are not. Anything else is an error that names the key.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace rw {

// Whether Encode puts the special tokens of post_processor around the text.
enum class SpecialTokens { kAdd, kOmit };

// Whether Encode takes "<|im_end|>" and the like in the text for the special token. With kNo no
// special token but the unknown one comes from the text, whatever it says: for text that is not to
// be trusted, such as a user's. (Added tokens that the file does not call special are always
// found.)
enum class ParseSpecial { kYes, kNo };

// Whether decoding leaves special tokens out.
enum class SkipSpecial { kYes, kNo };

// Immutable, for any number of threads. Copies share their contents.
class Tokenizer {
 public:
  static Result<Tokenizer> FromJson(const Json& root);
  static Result<Tokenizer> Load(const std::string& path);

  // The ids of `text`. Errors: text that is not UTF-8 or has more than 256 MiB (less if the file
  // has stages that may make it much longer), a character that the model has no token for, a regex
  // of the file that takes too many steps.
  Result<std::vector<int32_t>> Encode(std::string_view text, SpecialTokens special_tokens,
                                      ParseSpecial parse_special = ParseSpecial::kYes) const;

  // The text of `ids`: always UTF-8, with U+FFFD for what is not. Ids that are no token are left
  // out.
  std::string Decode(std::span<const int32_t> ids, SkipSpecial skip_special) const;

  // A token by its text as the file has it ("Ġthe", "<|im_end|>"), and back; an id that is no token
  // has the empty text.
  std::optional<int32_t> TokenId(std::string_view text) const;
  std::string_view TokenText(int32_t id) const;
  bool IsSpecial(int32_t id) const;
  size_t vocab_size() const;  // largest id + 1

 private:
  friend class StreamDecoder;
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// Decodes ids as they come. What Push and Finish return, one after the other, is what Decode says
// of all ids together; each part is whole code points. A token costs what its text costs, however
// many came before.
//
// Text is held back only while later ids could change it: an unfinished code point, a row of
// <0xHH> tokens, spaces that a Strip may take, everything where Replace stands behind Fuse.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, SkipSpecial skip_special);
  ~StreamDecoder();
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;

  std::string Push(int32_t id);
  // The rest. Nothing may be pushed after it.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rw
