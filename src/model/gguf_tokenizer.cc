#include "model/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "model/gguf_pre_tokenizers.h"
#include "model/score_merges.h"

namespace rw {
namespace {

constexpr uint64_t kMaxTokens = uint64_t{1} << 22;

enum class Kind : uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct Token {
  std::string_view text;
  double score = 0;
  Kind kind = Kind::kNormal;
};

void AppendQuoted(std::string_view text, std::string& json) {
  json += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(json), "\\u{:04x}", static_cast<int>(c));
    } else {
      json += c;
    }
  }
  json += '"';
}

std::string Quoted(std::string_view text) {
  std::string json;
  AppendQuoted(text, json);
  return json;
}

Result<std::string_view> TextOr(const GgufModel& model, std::string_view key,
                                std::string_view absent) {
  const auto value = model.Find(key);
  if (!value) return absent;
  return value->AsString();
}

Result<bool> BoolOr(const GgufModel& model, std::string_view key, bool absent) {
  const auto value = model.Find(key);
  if (!value) return absent;
  return value->AsBool();
}

Result<std::vector<Token>> ReadTokens(const GgufModel& model) {
  RW_ASSIGN(const GgufValue texts, model.Get("tokenizer.ggml.tokens"));
  if (texts.count() > kMaxTokens) return texts.Expected(fmt::format("up to {} tokens", kMaxTokens));
  std::vector<Token> tokens;
  RW_TRY(texts.ForEachString([&](size_t, std::string_view text) -> Status {
    tokens.push_back({text});
    return {};
  }));
  const auto each = [&](std::string_view key, const auto& set) -> Status {
    const auto value = model.Find(key);
    if (!value) return {};
    if (value->count() != tokens.size()) {
      return value->Expected(fmt::format("one for each of {} tokens", tokens.size()));
    }
    return value->ForEachNumber(
        [&](size_t i, double number) -> Status { return set(*value, tokens[i], number); });
  };
  RW_TRY(each("tokenizer.ggml.scores",
              [](const GgufValue& value, Token& token, double number) -> Status {
                if (number != number) return value.Expected("numbers");
                token.score = number;
                return {};
              }));
  RW_TRY(each("tokenizer.ggml.token_type",
              [](const GgufValue& value, Token& token, double number) -> Status {
                if (number < 1 || number > 6) return value.Expected("types from 1 to 6");
                token.kind = static_cast<Kind>(static_cast<int>(number));
                return {};
              }));
  return tokens;
}

// Parts of the tokenizer.json, JSON text each.
struct Parts {
  std::string normalizer = "null";
  std::string pre_tokenizer = "null";
  std::string decoder = R"({"type":"ByteLevel"})";
  std::string model;
  bool add_bos = false;
};

class Writer {
 public:
  Writer(const GgufModel& model, std::vector<Token> tokens)
      : model_(model), tokens_(std::move(tokens)) {}

  Result<std::string> Run() {
    RW_ASSIGN(const GgufValue kind, model_.Get("tokenizer.ggml.model"));
    RW_ASSIGN(const std::string_view name, kind.AsString());
    Parts parts;
    if (name == "gpt2") {
      RW_ASSIGN(parts, ByteLevelParts());
    } else if (name == "llama") {
      sentence_piece_ = true;
      RW_ASSIGN(parts, SentencePieceParts());
    } else {
      return kind.Expected("gpt2 (byte-level BPE) or llama (SentencePiece)");
    }
    RW_ASSIGN(const std::string frame, PostProcessor(parts.add_bos));
    return fmt::format(R"({{"version":"1.0","added_tokens":{},"normalizer":{},"pre_tokenizer":{},)"
                       R"("post_processor":{},"decoder":{},"model":{}}})",
                       AddedTokens(), parts.normalizer, parts.pre_tokenizer, frame, parts.decoder,
                       parts.model);
  }

 private:
  // Converters write spaces of tokens that users defined as such; the vocabulary has U+2581.
  bool IsSpaces(const Token& token) const {
    return sentence_piece_ && token.kind == Kind::kUserDefined && !token.text.empty() &&
           VocabText(token).find_first_not_of("\xe2\x96\x81") == std::string::npos;
  }

  std::string VocabText(const Token& token) const {
    std::string text(token.text);
    if (!sentence_piece_ || token.kind != Kind::kUserDefined) return text;
    for (size_t at = 0; (at = text.find(' ', at)) != std::string::npos; at += 3) {
      text.replace(at, 1, "\xe2\x96\x81");
    }
    return text;
  }

  // Tokens that text is cut at before BPE sees it. Rows of spaces are left to BPE, as in Gemma's
  // tokenizer.json.
  std::string AddedTokens() const {
    std::string json = "[";
    for (size_t id = 0; id < tokens_.size(); ++id) {
      const Token& token = tokens_[id];
      const bool special = token.kind == Kind::kControl || token.kind == Kind::kUnknown;
      if (!special && (token.kind != Kind::kUserDefined || IsSpaces(token))) continue;
      if (token.text.empty()) continue;
      if (json.size() > 1) json += ',';
      json += fmt::format(R"({{"id":{},"content":)", id);
      AppendQuoted(token.text, json);
      json += fmt::format(R"(,"single_word":false,"lstrip":false,"rstrip":{},"normalized":false,)"
                          R"("special":{}}})",
                          TakesSpacesBehind(token), special);
    }
    return json + "]";
  }

  // Phi-3 published its special tokens so, but for three (llama.cpp knows them by name too).
  bool TakesSpacesBehind(const Token& token) const {
    constexpr std::array<std::string_view, 3> kNot = {"<unk>", "<s>", "<|endoftext|>"};
    const auto architecture = TextOr(model_, "general.architecture", "");
    return sentence_piece_ && architecture && *architecture == "phi3" &&
           token.kind == Kind::kControl && std::ranges::find(kNot, token.text) == kNot.end();
  }

  template <class Include>
  std::string Vocab(const Include& include) const {
    std::string json = "{";
    for (size_t id = 0; id < tokens_.size(); ++id) {
      if (!include(tokens_[id])) continue;
      if (json.size() > 1) json += ',';
      AppendQuoted(VocabText(tokens_[id]), json);
      fmt::format_to(std::back_inserter(json), ":{}", id);
    }
    return json + "}";
  }

  Result<Parts> ByteLevelParts() const {
    RW_ASSIGN(const GgufValue pre, model_.Get("tokenizer.ggml.pre"));
    RW_ASSIGN(const std::string_view name, pre.AsString());
    const GgufPreTokenizer* row = FindGgufPreTokenizer(name);
    if (row == nullptr) return pre.Expected("one of " + GgufPreTokenizerNames());
    RW_ASSIGN(const GgufValue merges, model_.Get("tokenizer.ggml.merges"));
    std::string list = "[";
    RW_TRY(merges.ForEachString([&](size_t i, std::string_view merge) -> Status {
      if (i > 0) list += ',';
      AppendQuoted(merge, list);
      return {};
    }));
    // Control tokens are cut out of the text before; unused ones fill up the embedding.
    const std::string vocab = Vocab([](const Token& token) {
      return token.kind != Kind::kControl && token.kind != Kind::kUnused;
    });
    Parts parts;
    parts.normalizer = row->normalizer;
    parts.pre_tokenizer = row->pre_tokenizer;
    parts.model = fmt::format(R"({{"type":"BPE","ignore_merges":{},"vocab":{},"merges":{}]}})",
                              row->ignore_merges, vocab, list);
    parts.add_bos = row->add_bos;
    return parts;
  }

  Result<Parts> SentencePieceParts() const {
    RW_ASSIGN(const bool prefix, BoolOr(model_, "tokenizer.ggml.add_space_prefix", true));
    constexpr std::string_view kSpaces =
        R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})";
    Parts parts;
    parts.normalizer = kSpaces;
    std::string strip;
    if (prefix) {
      parts.normalizer = fmt::format(
          R"({{"type":"Sequence","normalizers":[{{"type":"Prepend","prepend":"▁"}},{}]}})",
          kSpaces);
      strip = R"(,{"type":"Strip","content":" ","start":1,"stop":0})";
    }
    parts.decoder = fmt::format(
        R"({{"type":"Sequence","decoders":[{{"type":"Replace","pattern":{{"String":"▁"}},)"
        R"("content":" "}},{{"type":"ByteFallback"}},{{"type":"Fuse"}}{}]}})",
        strip);
    const auto unknown = std::ranges::find(tokens_, Kind::kUnknown, &Token::kind);
    const bool bytes = std::ranges::find(tokens_, Kind::kByte, &Token::kind) != tokens_.end();
    const std::string vocab = Vocab([](const Token&) { return true; });
    parts.model = fmt::format(
        R"({{"type":"BPE","unk_token":{},"fuse_unk":true,"byte_fallback":{},"vocab":{},"merges":{}}})",
        unknown == tokens_.end() ? "null" : Quoted(unknown->text), bytes, vocab, ScoredMerges());
    parts.add_bos = true;
    return parts;
  }

  std::string ScoredMerges() const {
    std::vector<std::string> texts;
    for (const Token& token : tokens_) texts.push_back(VocabText(token));
    std::vector<ScoredPiece> pieces;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      const Kind kind = tokens_[i].kind;
      if (kind != Kind::kNormal && kind != Kind::kUserDefined) continue;
      pieces.push_back({texts[i], tokens_[i].score});
    }
    std::string json = "[";
    for (const auto& [left, right] : MergesByScore(pieces)) {
      if (json.size() > 1) json += ',';
      json += '[';
      AppendQuoted(pieces[left].text, json);
      json += ',';
      AppendQuoted(pieces[right].text, json);
      json += ']';
    }
    return json + "]";
  }

  // One of bos and eos; `absent`: whether it is added where the file does not say.
  Status AddSpecial(std::string_view name, int64_t absent_id, bool absent, std::string& items,
                    std::string& known) const {
    RW_ASSIGN(const bool add,
              BoolOr(model_, fmt::format("tokenizer.ggml.add_{}_token", name), absent));
    const auto value = model_.Find(fmt::format("tokenizer.ggml.{}_token_id", name));
    int64_t id = absent_id;
    if (value) {
      RW_ASSIGN(id, value->AsInt());
    }
    if (!add || id < 0) return {};
    if (id >= std::ssize(tokens_)) {
      return value ? Status(value->Expected(fmt::format("an id below {}", tokens_.size())))
                   : Status();
    }
    const std::string text = Quoted(tokens_[id].text);
    const std::string item = fmt::format(R"({{"SpecialToken":{{"id":{},"type_id":0}}}})", text);
    items = name == "bos" ? item + "," + items : items + "," + item;
    if (known.find(text + ":") == std::string::npos) {
      known += fmt::format(R"({}{}:{{"id":{},"ids":[{}],"tokens":[{}]}})", known.empty() ? "" : ",",
                           text, text, id, text);
    }
    return {};
  }

  Result<std::string> PostProcessor(bool add_bos) const {
    std::string items = R"({"Sequence":{"id":"A","type_id":0}})";
    std::string known;
    // A SentencePiece model of Llama's has <s> 1 and </s> 2.
    RW_TRY(AddSpecial("bos", sentence_piece_ ? 1 : -1, add_bos, items, known));
    RW_TRY(AddSpecial("eos", sentence_piece_ ? 2 : -1, false, items, known));
    if (known.empty()) return "null";
    return fmt::format(
        R"({{"type":"TemplateProcessing","single":[{}],"pair":[],"special_tokens":{{{}}}}})", items,
        known);
  }

  const GgufModel& model_;
  std::vector<Token> tokens_;
  bool sentence_piece_ = false;
};

}  // namespace

Result<std::string> GgufTokenizerJson(const GgufModel& model) {
  RW_ASSIGN(std::vector<Token> tokens, ReadTokens(model));
  return Writer(model, std::move(tokens)).Run();
}

Result<Tokenizer> GgufTokenizer(const GgufModel& model) {
  RW_ASSIGN(const std::string json, GgufTokenizerJson(model));
  RW_ASSIGN(const JsonDocument document,
            JsonDocument::Parse(json, model.name() + " as tokenizer.json"));
  return Tokenizer::FromJson(document.root());
}

Result<std::optional<std::string>> GgufSpecialToken(const GgufModel& model, std::string_view key) {
  const auto value = model.Find(fmt::format("tokenizer.ggml.{}", key));
  if (!value) return std::nullopt;
  RW_ASSIGN(const int64_t id, value->AsInt());
  RW_ASSIGN(const GgufValue tokens, model.Get("tokenizer.ggml.tokens"));
  std::optional<std::string> found;
  RW_TRY(tokens.ForEachString([&](size_t i, std::string_view text) -> Status {
    if (static_cast<int64_t>(i) == id) found = std::string(text);
    return {};
  }));
  return found;
}

}  // namespace rw
