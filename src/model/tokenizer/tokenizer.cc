#include "model/tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "model/tokenizer/added_tokens.h"
#include "model/tokenizer/decoder.h"
#include "model/tokenizer/fields.h"
#include "model/tokenizer/normalizer.h"
#include "model/tokenizer/post_processor.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/token_model.h"
#include "model/tokenizer/utf8.h"

namespace rw {

using tok::AddedToken;
using tok::AddedTokens;

namespace {

constexpr size_t kMostText = size_t{1} << 28;  // bytes
// Bytes that text may have after all stages: places in it are 32-bit numbers.
constexpr double kMostPieces = 0xFFFFFFFFu;

}  // namespace

struct Tokenizer::Impl {
  std::unique_ptr<tok::TokenModel> model;
  std::unique_ptr<tok::Normalizer> normalizer;       // or null
  std::unique_ptr<tok::PreTokenizer> pre_tokenizer;  // or null
  AddedTokens added;
  std::vector<int32_t> added_places;  // by id: place in added.tokens(), -1 for other ids
  tok::IdSet special;                 // by id
  tok::IdSet not_from_text;           // by id: what ParseSpecial::kNo keeps out
  tok::IdSet nothing;
  tok::SpecialFrame frame;
  tok::Decoder decoder;
  double growth = 1;  // by how much the stages may multiply a text's length

  size_t end_id() const { return added_places.size(); }
  const AddedToken* Added(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= end_id() || added_places[id] < 0) return nullptr;
    return &added.tokens()[added_places[id]];
  }
  bool Has(int32_t id) const { return Added(id) != nullptr || model->vocab().Has(id); }
  void IndexIds();
};

void Tokenizer::Impl::IndexIds() {
  size_t end = static_cast<size_t>(model->vocab().end_id());
  for (const AddedToken& token : added.tokens()) {
    end = std::max(end, static_cast<size_t>(token.id) + 1);
  }
  added_places.assign(end, -1);
  special.assign(end, false);
  for (size_t i = 0; i < added.tokens().size(); ++i) {
    const AddedToken& token = added.tokens()[i];
    added_places[token.id] = static_cast<int32_t>(i);
    special[token.id] = token.special;
  }
  not_from_text = special;
  if (model->unknown_id() >= 0) not_from_text[model->unknown_id()] = false;
}

Result<Tokenizer> Tokenizer::Load(const std::string& path) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Load(path));
  return FromJson(document.root());
}

Result<Tokenizer> Tokenizer::FromJson(const Json& root) {
  if (const auto version = root.Find("version")) {
    if (!tok::IsString(*version, "1.0")) return version->Expected("\"1.0\"");
  }
  const auto impl = std::make_shared<Impl>();
  RW_ASSIGN(const Json model, root.Get("model"));
  RW_ASSIGN(impl->model, tok::ParseTokenModel(model));
  double& growth = impl->growth;
  if (const auto json = root.Find("normalizer")) {
    RW_ASSIGN(impl->normalizer, tok::ParseNormalizer(*json));
    if (impl->normalizer != nullptr) growth *= impl->normalizer->growth();
  }
  if (const auto json = root.Find("pre_tokenizer")) {
    RW_ASSIGN(impl->pre_tokenizer, tok::ParsePreTokenizer(*json));
    if (impl->pre_tokenizer != nullptr) growth *= impl->pre_tokenizer->growth();
  }
  RW_TRY(tok::CheckGrowth(growth, root));
  if (const auto json = root.Find("added_tokens")) {
    RW_ASSIGN(impl->added,
              AddedTokens::FromJson(*json, impl->model->vocab(), impl->normalizer.get()));
  }
  impl->IndexIds();
  if (const auto json = root.Find("post_processor")) {
    RW_ASSIGN(impl->frame,
              tok::ParsePostProcessor(*json, [&](int32_t id) { return impl->Has(id); }));
  }
  if (const auto json = root.Find("decoder")) {
    RW_ASSIGN(impl->decoder, tok::Decoder::FromJson(*json));
  }
  return Tokenizer(impl);
}

namespace {

// One call of Encode: the pipeline's stages, and the memory that they need.
class Encoding {
 public:
  Encoding(const AddedTokens& added, const tok::Normalizer* normalizer,
           const tok::PreTokenizer* pre_tokenizer, const tok::TokenModel& model,
           const tok::IdSet& banned, bool parse_special, std::vector<int32_t>& ids)
      : added_(added),
        normalizer_(normalizer),
        pre_tokenizer_(pre_tokenizer),
        encoder_(model.NewEncoder(banned)),
        parse_special_(parse_special),
        ids_(ids) {}

  Status EncodeAll(std::string_view text) {
    return ForEachPart(text, AddedTokens::In::kRawText,
                       [&](std::string_view part, bool first) { return EncodePart(part, first); });
  }

 private:
  // Calls visit(text, whether it is the front of all) for what lies between the added tokens, whose
  // ids it appends.
  template <class Visit>
  Status ForEachPart(std::string_view text, AddedTokens::In in, const Visit& visit) {
    std::vector<AddedTokens::Match> matches;
    RW_TRY(added_.Find(text, in, parse_special_, matches));
    size_t done = 0;
    for (const AddedTokens::Match& match : matches) {
      if (done < match.begin) {
        RW_TRY(visit(text.substr(done, match.begin - done), done == 0));
      }
      ids_.push_back(match.id);
      done = match.end;
    }
    if (done < text.size()) return visit(text.substr(done), done == 0);
    return {};
  }

  Status EncodePart(std::string_view part, bool first) {
    tok::NormalText normal{std::string(part), first};
    if (normalizer_ != nullptr) RW_TRY(normalizer_->Apply(normal));
    return ForEachPart(normal.text, AddedTokens::In::kNormalizedText,
                       [&](std::string_view piece, bool front) {
                         return EncodePieces(piece, front && normal.at_start);
                       });
  }

  Status EncodePieces(std::string_view text, bool at_start) {
    tok::Pieces pieces{std::string(text), {{0, static_cast<uint32_t>(text.size())}}, at_start};
    if (pre_tokenizer_ != nullptr) RW_TRY(pre_tokenizer_->Apply(pieces));
    const std::string_view all = pieces.text;
    for (const tok::Span span : pieces.spans) {
      RW_TRY(encoder_->Encode(all.substr(span.begin, span.end - span.begin), ids_));
    }
    return {};
  }

  const AddedTokens& added_;
  const tok::Normalizer* normalizer_;
  const tok::PreTokenizer* pre_tokenizer_;
  std::unique_ptr<tok::PieceEncoder> encoder_;
  bool parse_special_;
  std::vector<int32_t>& ids_;
};

}  // namespace

Result<std::vector<int32_t>> Tokenizer::Encode(std::string_view text, SpecialTokens special_tokens,
                                               ParseSpecial parse_special) const {
  const double most = std::min<double>(kMostText, kMostPieces / impl_->growth);
  if (static_cast<double>(text.size()) > most) {
    return Err("text: expected at most {:.0f} bytes, found {}", most, text.size());
  }
  if (const size_t valid = tok::ValidUtf8Prefix(text); valid != text.size()) {
    return Err("text: expected UTF-8, found other bytes at byte {}", valid);
  }
  std::vector<int32_t> ids;
  const bool add = special_tokens == SpecialTokens::kAdd;
  if (add) ids = impl_->frame.before;
  const bool parse = parse_special == ParseSpecial::kYes;
  Encoding encoding(impl_->added, impl_->normalizer.get(), impl_->pre_tokenizer.get(),
                    *impl_->model, parse ? impl_->nothing : impl_->not_from_text, parse, ids);
  RW_TRY(encoding.EncodeAll(text));
  if (add) ids.insert(ids.end(), impl_->frame.behind.begin(), impl_->frame.behind.end());
  return ids;
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, SkipSpecial skip_special) const {
  StreamDecoder decoder(*this, skip_special);
  std::string text;
  for (const int32_t id : ids) text += decoder.Push(id);
  return text + decoder.Finish();
}

std::optional<int32_t> Tokenizer::TokenId(std::string_view text) const {
  if (const auto id = impl_->model->vocab().Find(text)) return id;
  for (const AddedToken& token : impl_->added.tokens()) {
    if (token.content == text) return token.id;
  }
  return std::nullopt;
}

std::string_view Tokenizer::TokenText(int32_t id) const {
  if (const AddedToken* token = impl_->Added(id)) return token->content;
  return impl_->model->vocab().Has(id) ? impl_->model->vocab().Text(id) : std::string_view();
}

bool Tokenizer::IsSpecial(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < impl_->special.size() && impl_->special[id];
}

size_t Tokenizer::vocab_size() const { return impl_->end_id(); }

struct StreamDecoder::State {
  std::shared_ptr<const Tokenizer::Impl> tokenizer;
  bool skip_special;
  std::string out;
  std::unique_ptr<tok::DecodeStage> stages;  // append to `out`
  bool finished = false;
};

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, SkipSpecial skip_special)
    : state_(std::make_unique<State>()) {
  state_->tokenizer = tokenizer.impl_;
  state_->skip_special = skip_special == SkipSpecial::kYes;
  state_->stages = state_->tokenizer->decoder.Start(&state_->out);
}

StreamDecoder::~StreamDecoder() = default;
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;

std::string StreamDecoder::Push(int32_t id) {
  RW_CHECK(!state_->finished, "Push after Finish");
  const Tokenizer::Impl& tokenizer = *state_->tokenizer;
  if (!tokenizer.Has(id) || (state_->skip_special && tokenizer.special[id])) return {};
  // An added token was looked for in its normalised form, and so it is that which a decoder undoes.
  const AddedToken* added = tokenizer.Added(id);
  state_->stages->Text(added != nullptr ? added->pattern : tokenizer.model->vocab().Text(id));
  state_->stages->EndToken();
  return std::exchange(state_->out, {});
}

std::string StreamDecoder::Finish() {
  if (state_->finished) return {};
  state_->finished = true;
  state_->stages->Finish();
  return std::exchange(state_->out, {});
}

}  // namespace rw
