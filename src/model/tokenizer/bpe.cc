#include "model/tokenizer/bpe.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "model/tokenizer/fields.h"
#include "model/tokenizer/merges.h"
#include "model/tokenizer/piece_cache.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

struct BpeOptions {
  std::optional<std::string> unknown_token;
  std::string prefix;  // continuing_subword_prefix
  std::string suffix;  // end_of_word_suffix
  bool fuse_unknown = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
};

class BpeModel : public TokenModel {
 public:
  BpeModel(Vocab vocab, MergeTable merges, BpeOptions options);

  const Vocab& vocab() const override { return vocab_; }
  int32_t unknown_id() const override { return unknown_id_; }
  std::unique_ptr<PieceEncoder> NewEncoder(const IdSet& banned) const override;

 private:
  friend class BpeEncoder;
  // The ids of two-byte characters at most, which is all that byte-level texts hold.
  static constexpr char32_t kDirectEnd = 0x800;

  Vocab vocab_;
  MergeTable merges_;
  BpeOptions options_;
  int32_t unknown_id_ = -1;
  std::vector<int32_t> byte_ids_;    // by byte, if byte_fallback
  bool has_seams_;                   // whether a piece may be cut where no merge joins characters
  std::vector<int32_t> direct_ids_;  // by code point below kDirectEnd; -1 where there is none
};

BpeModel::BpeModel(Vocab vocab, MergeTable merges, BpeOptions options)
    : vocab_(std::move(vocab)), merges_(std::move(merges)), options_(std::move(options)) {
  if (options_.unknown_token) unknown_id_ = vocab_.Find(*options_.unknown_token).value_or(-1);
  if (options_.byte_fallback) byte_ids_ = ByteTokens(vocab_);
  has_seams_ = !options_.ignore_merges && options_.prefix.empty() && options_.suffix.empty();
  for (char32_t c = 0; c < kDirectEnd; ++c) {
    std::string text;
    AppendUtf8(c, text);
    direct_ids_.push_back(vocab_.Find(text).value_or(-1));
  }
}

class BpeEncoder : public CachedEncoder {
 public:
  BpeEncoder(const BpeModel& model, const IdSet& banned)
      : model_(model), banned_(banned), merger_(model.merges_, banned) {}

 protected:
  Status EncodeNew(std::string_view piece, std::vector<int32_t>& ids) override;

 private:
  int32_t Allowed(int32_t id) const { return id >= 0 && !banned_.empty() && banned_[id] ? -1 : id; }
  int32_t Find(std::string_view text) const {
    return Allowed(model_.vocab_.Find(text).value_or(-1));
  }
  int32_t FindCharacter(std::string_view character, bool first, bool last);
  bool AddBytes(std::string_view text);
  Status AddUnknown();
  size_t NextSeam(std::string_view piece, size_t begin);
  Status MergeWord(std::string_view word, std::vector<int32_t>& ids);

  const BpeModel& model_;
  const IdSet& banned_;
  Merger merger_;
  bool unknown_pending_ = false;
  std::string text_;  // a character with its prefix and suffix
};

// Also sets text_ if prefix or suffix apply.
int32_t BpeEncoder::FindCharacter(std::string_view character, bool first, bool last) {
  const BpeOptions& options = model_.options_;
  const bool prefixed = !first && !options.prefix.empty();
  const bool suffixed = last && !options.suffix.empty();
  text_.clear();
  if (prefixed) text_ += options.prefix;
  text_ += character;
  if (suffixed) text_ += options.suffix;
  if (prefixed || suffixed || character.size() > 2) return Find(text_);
  return Allowed(model_.direct_ids_[DecodeAt(character, 0).value]);
}

// Adds the tokens of text's bytes, if the vocabulary has them all.
bool BpeEncoder::AddBytes(std::string_view text) {
  const auto id_of = [&](char byte) {
    return Allowed(model_.byte_ids_[static_cast<unsigned char>(byte)]);
  };
  for (const char byte : text) {
    if (id_of(byte) < 0) return false;
  }
  for (const char byte : text) merger_.Add(id_of(byte));
  return true;
}

Status BpeEncoder::AddUnknown() {
  const BpeOptions& options = model_.options_;
  if (!options.unknown_token) return {};  // such characters are dropped
  if (model_.unknown_id_ < 0) {
    return Err("model.unk_token: expected a token of the vocabulary, found \"{}\"",
               *options.unknown_token);
  }
  if (unknown_pending_ && !options.fuse_unknown) merger_.Add(model_.unknown_id_);
  unknown_pending_ = true;
  return {};
}

// The end of the part of `piece` that begins at `begin` and that no merge leaves: the first place
// between two characters of the vocabulary that no merge joins. Merging part by part gives what
// merging the whole would, and parts are mostly words, which repeat.
size_t BpeEncoder::NextSeam(std::string_view piece, size_t begin) {
  CodePoint left = DecodeAt(piece, begin);
  size_t at = begin + left.length;
  while (at < piece.size()) {
    const CodePoint right = DecodeAt(piece, at);
    if (!model_.merges_.Joined(left.value, right.value) &&
        FindCharacter(piece.substr(at - left.length, left.length), true, false) >= 0 &&
        FindCharacter(piece.substr(at, right.length), true, false) >= 0) {
      return at;
    }
    at += right.length;
    left = right;
  }
  return piece.size();
}

Status BpeEncoder::EncodeNew(std::string_view piece, std::vector<int32_t>& ids) {
  if (model_.options_.ignore_merges) {
    if (const int32_t id = Find(piece); id >= 0) {
      ids.push_back(id);
      return {};
    }
  }
  if (!model_.has_seams_) return MergeWord(piece, ids);
  size_t end = NextSeam(piece, 0);
  if (end == piece.size()) return MergeWord(piece, ids);
  for (size_t begin = 0; begin < piece.size(); begin = end) {
    end = NextSeam(piece, begin);
    RW_TRY(Encode(piece.substr(begin, end - begin), ids));
  }
  return {};
}

Status BpeEncoder::MergeWord(std::string_view word, std::vector<int32_t>& ids) {
  merger_.Clear();
  unknown_pending_ = false;
  for (size_t i = 0; i < word.size();) {
    const size_t end = i + Utf8Length(word[i]);
    const int32_t id = FindCharacter(word.substr(i, end - i), i == 0, end == word.size());
    i = end;
    if (id >= 0) {
      if (unknown_pending_) merger_.Add(model_.unknown_id_);
      unknown_pending_ = false;
      merger_.Add(id);
    } else if (!model_.options_.byte_fallback || !AddBytes(text_)) {
      // An unknown token waits for what follows, since more of them may fuse with it; byte tokens
      // overtake it, as they do in Hugging Face's.
      RW_TRY(AddUnknown());
    }
  }
  if (unknown_pending_) merger_.Add(model_.unknown_id_);
  merger_.Run(ids);
  return {};
}

std::unique_ptr<PieceEncoder> BpeModel::NewEncoder(const IdSet& banned) const {
  return std::make_unique<BpeEncoder>(*this, banned);
}

Result<Vocab> ParseVocab(const Json& json) {
  RW_ASSIGN(const Json object, json.Get("vocab"));
  std::vector<Vocab::Entry> entries;
  RW_TRY(object.ForEachMember([&](std::string_view text, Json value) -> Status {
    RW_ASSIGN(const int32_t id, TokenIdValue(value));
    entries.push_back({text, id});
    return {};
  }));
  return Vocab::Build(entries, /*repeats_allowed=*/false, object);
}

using Pair = std::array<std::string_view, 2>;

Result<Pair> ParsePair(const Json& json) {
  constexpr std::string_view kWanted = R"(two tokens, as ["a", "b"] or "a b")";
  Pair pair;
  if (json.is_string()) {
    const std::string_view text = *json.AsString();
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
      return json.Expected(kWanted);
    }
    pair = {text.substr(0, space), text.substr(space + 1)};
    return pair;
  }
  if (!json.is_array()) return json.Expected(kWanted);
  size_t count = 0;
  RW_TRY(json.ForEachElement([&](size_t index, Json element) -> Status {
    RW_ASSIGN(const std::string_view text, element.AsString());
    if (index < pair.size()) pair[index] = text;
    count = index + 1;
    return {};
  }));
  if (count != pair.size()) return json.Expected(kWanted);
  return pair;
}

char32_t LastCharacter(std::string_view text) {
  size_t at = text.size() - 1;
  while (!IsBoundary(text, at)) --at;
  return DecodeAt(text, at).value;
}

Result<MergeTable> ParseMerges(const Json& json, const Vocab& vocab, std::string_view prefix) {
  RW_ASSIGN(const Json list, json.Get("merges"));
  MergeTable table;
  std::string merged;
  uint32_t rank = 0;
  RW_TRY(list.ForEachElement([&](size_t, Json element) -> Status {
    // The first line of a merges.txt, which old files kept.
    if (element.is_string() && element.AsString()->substr(0, 8) == "#version") return {};
    RW_ASSIGN(const Pair pair, ParsePair(element));
    if (pair[1].size() < prefix.size()) {
      return element.Expected(fmt::format("a second token that starts with \"{}\"", prefix));
    }
    merged.assign(pair[0]);
    merged += pair[1].substr(prefix.size());
    const auto left = vocab.Find(pair[0]), right = vocab.Find(pair[1]), id = vocab.Find(merged);
    if (!left || !right || !id) {
      return element.Expected("two tokens of model.vocab whose merger is one as well");
    }
    table.Add(*left, *right, {rank++, *id});
    if (!pair[0].empty() && !pair[1].empty()) {
      table.AddJoint(LastCharacter(pair[0]), DecodeAt(pair[1], 0).value);
    }
    return {};
  }));
  return table;
}

Result<BpeOptions> ParseOptions(const Json& json) {
  if (const auto dropout = json.Find("dropout"); dropout && !dropout->is_null()) {
    const auto value = dropout->AsDouble();
    if (!value || *value != 0) return dropout->Expected("null (random merges are not supported)");
  }
  BpeOptions options;
  RW_ASSIGN(options.unknown_token, StringField(json, "unk_token"));
  RW_ASSIGN(const auto prefix, StringField(json, "continuing_subword_prefix"));
  RW_ASSIGN(const auto suffix, StringField(json, "end_of_word_suffix"));
  options.prefix = prefix.value_or("");
  options.suffix = suffix.value_or("");
  RW_ASSIGN(options.fuse_unknown, BoolField(json, "fuse_unk", false));
  RW_ASSIGN(options.byte_fallback, BoolField(json, "byte_fallback", false));
  RW_ASSIGN(options.ignore_merges, BoolField(json, "ignore_merges", false));
  return options;
}

}  // namespace

Result<std::unique_ptr<TokenModel>> ParseBpe(const Json& json) {
  RW_ASSIGN(BpeOptions options, ParseOptions(json));
  RW_ASSIGN(Vocab vocab, ParseVocab(json));
  RW_ASSIGN(MergeTable merges, ParseMerges(json, vocab, options.prefix));
  return std::make_unique<BpeModel>(std::move(vocab), std::move(merges), std::move(options));
}

}  // namespace rw::tok
