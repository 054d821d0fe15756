#include "model/tokenizer/added_tokens.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "model/tokenizer/fields.h"
#include "model/tokenizer/unicode.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

Result<AddedToken> ParseToken(const Json& json, const Vocab& vocab) {
  AddedToken token;
  RW_ASSIGN(const Json id, json.Get("id"));
  RW_ASSIGN(token.id, TokenIdValue(id));
  RW_ASSIGN(const Json content, json.Get("content"));
  RW_ASSIGN(const std::string_view text, content.AsString());
  token.content = text;
  RW_ASSIGN(token.special, BoolField(json, "special", false));
  RW_ASSIGN(token.normalized, BoolField(json, "normalized", !token.special));
  RW_ASSIGN(token.left_strip, BoolField(json, "lstrip", false));
  RW_ASSIGN(token.right_strip, BoolField(json, "rstrip", false));
  RW_ASSIGN(token.single_word, BoolField(json, "single_word", false));
  if (const auto known = vocab.Find(text); known && *known != token.id) {
    return id.Expected(fmt::format("{}, the id of this token in model.vocab", *known));
  } else if (!known && vocab.Has(token.id)) {
    return id.Expected("an id that no other token has in model.vocab");
  }
  return token;
}

size_t WhitespaceBegin(std::string_view text, size_t least, size_t end) {
  while (end > least) {
    size_t last = end - 1;
    while (!IsBoundary(text, last)) --last;
    if (!IsWhitespace(DecodeAt(text, last).value)) break;
    end = last;
  }
  return std::max(end, least);
}

size_t WhitespaceEnd(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const CodePoint c = DecodeAt(text, begin);
    if (!IsWhitespace(c.value)) break;
    begin += c.length;
  }
  return begin;
}

// Whether a text begins or ends with a character of a word.
class WordEdges {
 public:
  explicit WordEdges(const Regex& character) : scanner_(character) {}

  Result<bool> Begins(std::string_view text) {
    if (text.empty()) return false;
    return IsWord(text.substr(0, Utf8Length(text[0])));
  }
  Result<bool> Ends(std::string_view text) {
    if (text.empty()) return false;
    size_t last = text.size() - 1;
    while (!IsBoundary(text, last)) --last;
    return IsWord(text.substr(last));
  }

 private:
  Result<bool> IsWord(std::string_view character) {
    found_.clear();
    RW_TRY(scanner_.FindAll(character, found_));
    return !found_.empty();
  }

  RegexScanner scanner_;
  std::vector<Span> found_;
};

}  // namespace

Result<AddedTokens> AddedTokens::FromJson(const Json& list, const Vocab& vocab,
                                          const Normalizer* normalizer) {
  AddedTokens added;
  if (list.is_null()) return added;
  std::unordered_map<std::string, size_t> place_of;
  std::unordered_map<int32_t, size_t> owner_of;
  int32_t largest = 0;
  RW_TRY(list.ForEachElement([&](size_t, Json element) -> Status {
    RW_ASSIGN(AddedToken token, ParseToken(element, vocab));
    if (token.content.empty()) return {};
    NormalText pattern{token.content};
    if (token.normalized && normalizer != nullptr) RW_TRY(normalizer->Apply(pattern));
    token.pattern = std::move(pattern.text);
    largest = std::max(largest, token.id);
    const size_t place = place_of.try_emplace(token.content, added.tokens_.size()).first->second;
    if (owner_of.try_emplace(token.id, place).first->second != place) {
      return element.Expected(fmt::format("one token for each id, but {} came before", token.id));
    }
    if (place == added.tokens_.size()) {
      added.tokens_.push_back(std::move(token));
    } else if (added.tokens_[place].id == token.id) {
      added.tokens_[place] = std::move(token);
    } else {
      return element.Expected("each token once, but this one came before with another id");
    }
    return {};
  }));
  if (TooSparse(largest, vocab.size() + added.tokens_.size()) ||
      largest == std::numeric_limits<int32_t>::max()) {
    return Err("{}: expected ids in proportion to the {} tokens, found {}", list.where(),
               vocab.size() + added.tokens_.size(), largest);
  }
  for (size_t i = 0; i < added.tokens_.size(); ++i) {
    const AddedToken& token = added.tokens_[i];
    Index& index = token.normalized ? added.normalized_ : added.raw_;
    if (!token.pattern.empty()) index.Insert(token.pattern, static_cast<int32_t>(i));
    if (token.single_word && !added.word_character_) {
      RW_ASSIGN(added.word_character_, Regex::Compile(R"([\w\x{200c}\x{200d}])", list.where()));
    }
  }
  return added;
}

void AddedTokens::Index::Insert(std::string_view pattern, int32_t place) {
  trie.Insert(pattern, place);
  first_bytes[static_cast<unsigned char>(pattern[0])] = true;
}

const AddedToken* AddedTokens::Index::Longest(std::string_view text,
                                              const AddedTokens& owner) const {
  if (!first_bytes[static_cast<unsigned char>(text[0])]) return nullptr;
  const AddedToken* longest = nullptr;
  Trie::Node node = Trie::kRoot;
  for (const char byte : text) {
    node = trie.Step(node, byte);
    if (node == Trie::kNone) break;
    if (const int32_t place = trie.Value(node); place != Trie::kNoValue) {
      longest = &owner.tokens_[place];
    }
  }
  return longest;
}

Status AddedTokens::Find(std::string_view text, In in, bool special,
                         std::vector<Match>& matches) const {
  const Index& index = in == In::kRawText ? raw_ : normalized_;
  std::optional<WordEdges> words;
  if (word_character_) words.emplace(*word_character_);
  size_t taken = 0;                       // text before it belongs to earlier matches
  size_t blank_begin = 0, blank_end = 0;  // the last whitespace that was walked over
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = index.Longest(text.substr(at), *this);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->pattern.size();
    at = end;
    if (token->special && !special) continue;
    if (token->single_word) {
      RW_ASSIGN(const bool word_before, words->Ends(text.substr(0, begin)));
      RW_ASSIGN(const bool word_behind, words->Begins(text.substr(end)));
      if (word_before || word_behind) continue;
    }
    if (token->left_strip) begin = WhitespaceBegin(text, taken, begin);
    if (token->right_strip) {
      // Tokens that are whitespace themselves would walk over a long run again and again.
      if (end < blank_begin || end > blank_end) {
        blank_begin = end;
        blank_end = WhitespaceEnd(text, end);
      }
      end = blank_end;
    }
    if (begin >= end) continue;  // nothing but whitespace that an earlier token took along
    matches.push_back({begin, end, token->id});
    taken = end;
  }
  return {};
}

}  // namespace rw::tok
