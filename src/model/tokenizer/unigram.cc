#include "model/tokenizer/unigram.h"

#include <algorithm>
#include <string>
#include <utility>

#include "model/tokenizer/fields.h"
#include "model/tokenizer/piece_cache.h"
#include "model/tokenizer/trie.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

// How much less likely than the least likely token an unknown character is, as in SentencePiece.
constexpr double kUnknownPenalty = 10;

class UnigramModel : public TokenModel {
 public:
  UnigramModel(Vocab vocab, std::vector<double> scores, int32_t unknown_id, bool byte_fallback);

  const Vocab& vocab() const override { return vocab_; }
  int32_t unknown_id() const override { return unknown_id_; }
  std::unique_ptr<PieceEncoder> NewEncoder(const IdSet& banned) const override;

 private:
  friend class UnigramEncoder;
  Vocab vocab_;
  std::vector<double> scores_;  // logarithms of probabilities, by id
  int32_t unknown_id_;
  double unknown_score_;
  Trie trie_;
  std::vector<int32_t> byte_ids_;  // by byte; empty without byte_fallback
};

UnigramModel::UnigramModel(Vocab vocab, std::vector<double> scores, int32_t unknown_id,
                           bool byte_fallback)
    : vocab_(std::move(vocab)),
      scores_(std::move(scores)),
      unknown_id_(unknown_id),
      unknown_score_(*std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty) {
  for (int32_t id = 0; id < vocab_.end_id(); ++id) trie_.Insert(vocab_.Text(id), id);
  if (byte_fallback) byte_ids_ = ByteTokens(vocab_);
}

class UnigramEncoder : public CachedEncoder {
 public:
  UnigramEncoder(const UnigramModel& model, const IdSet& banned) : model_(model), banned_(banned) {}

 protected:
  Status EncodeNew(std::string_view piece, std::vector<int32_t>& ids) override;

 private:
  // The best way to cut the piece up to some byte: its last token.
  struct Node {
    double score = 0;
    uint32_t begin = kUnreached;
    int32_t id = -1;
  };
  struct Token {
    uint32_t begin;
    uint32_t end;
    int32_t id;
  };
  static constexpr uint32_t kUnreached = ~uint32_t{0};

  bool Banned(int32_t id) const { return !banned_.empty() && banned_[id]; }
  // Whether this way to reach `end` is the best so far, in which case it is kept.
  bool Offer(size_t begin, size_t end, double score, int32_t id);
  Status FindBest(std::string_view piece);
  void ListTokens(std::string_view piece);
  void AppendUnknown(std::string_view text, std::vector<int32_t>& ids) const;

  const UnigramModel& model_;
  const IdSet& banned_;
  std::vector<Node> nodes_;    // by where the token ends
  std::vector<Token> tokens_;  // in order; unknown ones that touch are one
};

bool UnigramEncoder::Offer(size_t begin, size_t end, double score, int32_t id) {
  const double total = score + nodes_[begin].score;
  Node& node = nodes_[end];
  if (node.begin != kUnreached && total <= node.score) return false;
  node = {total, static_cast<uint32_t>(begin), id};
  return true;
}

Status UnigramEncoder::FindBest(std::string_view piece) {
  nodes_.assign(piece.size() + 1, Node{});
  for (size_t begin = 0; begin < piece.size();) {
    const size_t character = Utf8Length(piece[begin]);
    bool has_character = false;
    Trie::Node node = Trie::kRoot;
    for (size_t end = begin; end < piece.size();) {
      node = model_.trie_.Step(node, piece[end++]);
      if (node == Trie::kNone) break;
      const int32_t id = model_.trie_.Value(node);
      if (id == Trie::kNoValue || Banned(id)) continue;
      Offer(begin, end, model_.scores_[id], id);
      if (end - begin == character) has_character = true;
    }
    if (!has_character) {
      const bool taken = Offer(begin, begin + character, model_.unknown_score_, model_.unknown_id_);
      if (taken && model_.unknown_id_ < 0) {
        return Err(
            "model.unk_id: expected the id of a token for text that the vocabulary cannot spell, "
            "found null");
      }
    }
    begin += character;
  }
  return {};
}

void UnigramEncoder::ListTokens(std::string_view piece) {
  tokens_.clear();
  auto end = static_cast<uint32_t>(piece.size());
  while (end > 0) {
    const Node& node = nodes_[end];
    const bool fuses = node.id == model_.unknown_id_ && !tokens_.empty() &&
                       tokens_.back().id == model_.unknown_id_;
    if (fuses) {
      tokens_.back().begin = node.begin;
    } else {
      tokens_.push_back({node.begin, end, node.id});
    }
    end = node.begin;
  }
  std::reverse(tokens_.begin(), tokens_.end());
}

// Unknown characters that stand together may spell a token that was not worth its score.
void UnigramEncoder::AppendUnknown(std::string_view text, std::vector<int32_t>& ids) const {
  if (const auto id = model_.vocab_.Find(text); id && !Banned(*id)) {
    ids.push_back(*id);
    return;
  }
  const auto byte_id = [&](char byte) {
    return model_.byte_ids_[static_cast<unsigned char>(byte)];
  };
  const bool spellable =
      !model_.byte_ids_.empty() && std::all_of(text.begin(), text.end(), [&](char byte) {
        return byte_id(byte) >= 0 && !Banned(byte_id(byte));
      });
  if (!spellable) {
    ids.push_back(model_.unknown_id_);
    return;
  }
  for (const char byte : text) ids.push_back(byte_id(byte));
}

Status UnigramEncoder::EncodeNew(std::string_view piece, std::vector<int32_t>& ids) {
  RW_TRY(FindBest(piece));
  ListTokens(piece);
  for (const Token& token : tokens_) {
    if (token.id == model_.unknown_id_) {
      AppendUnknown(piece.substr(token.begin, token.end - token.begin), ids);
    } else {
      ids.push_back(token.id);
    }
  }
  return {};
}

std::unique_ptr<PieceEncoder> UnigramModel::NewEncoder(const IdSet& banned) const {
  return std::make_unique<UnigramEncoder>(*this, banned);
}

}  // namespace

Result<std::unique_ptr<TokenModel>> ParseUnigram(const Json& json) {
  RW_ASSIGN(const Json list, json.Get("vocab"));
  std::vector<Vocab::Entry> entries;
  std::vector<double> scores;
  RW_TRY(list.ForEachElement([&](size_t index, Json element) -> Status {
    RW_ASSIGN(const std::vector<Json> pair, element.Elements());
    if (pair.size() != 2) return element.Expected("a token and its score");
    RW_ASSIGN(const std::string_view text, pair[0].AsString());
    RW_ASSIGN(const double score, pair[1].AsDouble());
    entries.push_back({text, static_cast<int32_t>(index)});
    scores.push_back(score);
    return {};
  }));
  RW_ASSIGN(Vocab vocab, Vocab::Build(entries, /*repeats_allowed=*/true, list));
  int32_t unknown_id = -1;
  if (const auto value = json.Find("unk_id"); value && !value->is_null()) {
    RW_ASSIGN(unknown_id, TokenIdValue(*value));
    if (!vocab.Has(unknown_id)) return value->Expected("the place of a token in model.vocab");
  }
  RW_ASSIGN(const bool byte_fallback, BoolField(json, "byte_fallback", false));
  return std::make_unique<UnigramModel>(std::move(vocab), std::move(scores), unknown_id,
                                        byte_fallback);
}

}  // namespace rw::tok
