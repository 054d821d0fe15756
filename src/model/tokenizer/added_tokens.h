// tokenizer.json's "added_tokens": tokens that are cut out of the text before the model sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "model/tokenizer/normalizer.h"
#include "model/tokenizer/regex.h"
#include "model/tokenizer/trie.h"
#include "model/tokenizer/vocab.h"

namespace rw::tok {

struct AddedToken {
  std::string content;
  std::string pattern;  // what is looked for: content, normalised if `normalized`
  int32_t id = 0;
  bool special = false;
  bool normalized = false;   // looked for in normalised text
  bool left_strip = false;   // takes the whitespace before it along
  bool right_strip = false;  // takes the whitespace behind it along
  bool single_word = false;  // not inside a word
};

class AddedTokens {
 public:
  // `list` may be null. Ids must agree with `vocab`: a content that is a token there has its id,
  // and no other content has an id of the vocabulary. `normalizer` may be null.
  static Result<AddedTokens> FromJson(const Json& list, const Vocab& vocab,
                                      const Normalizer* normalizer);

  const std::vector<AddedToken>& tokens() const { return tokens_; }

  struct Match {
    size_t begin;  // bytes; with the whitespace that was taken along
    size_t end;
    int32_t id;
  };
  enum class In { kRawText, kNormalizedText };
  // Appends the tokens found in valid UTF-8, from left to right, at each place the longest. Without
  // `special`, special tokens are left in the text.
  Status Find(std::string_view text, In in, bool special, std::vector<Match>& matches) const;

 private:
  struct Index {
    Trie trie;  // to places in tokens_
    bool first_bytes[256] = {};
    void Insert(std::string_view pattern, int32_t place);
    // The longest pattern at the front of `text`.
    const AddedToken* Longest(std::string_view text, const AddedTokens& owner) const;
  };

  std::vector<AddedToken> tokens_;
  Index raw_;
  Index normalized_;
  std::optional<Regex> word_character_;  // only if some token is a single word
};

}  // namespace rw::tok
