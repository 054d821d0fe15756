// Loads the input's first part as tokenizer.json and tokenizes its second part, behind the first
// zero byte. Whatever the file says: no crash, ids that exist, and decoding token by token gives
// what decoding at once does.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/utf8.h"

namespace {

using rw::ParseSpecial;
using rw::SkipSpecial;
using rw::SpecialTokens;
using rw::Tokenizer;

void CheckDecoding(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                   SkipSpecial skip_special) {
  const std::string text = tokenizer.Decode(ids, skip_special);
  RW_CHECK(rw::tok::ValidUtf8Prefix(text) == text.size());
  rw::StreamDecoder decoder(tokenizer, skip_special);
  std::string streamed;
  for (const int32_t id : ids) {
    const std::string part = decoder.Push(id);
    RW_CHECK(rw::tok::ValidUtf8Prefix(part) == part.size(), "half a code point");
    streamed += part;
  }
  streamed += decoder.Finish();
  RW_CHECK(streamed == text, "streamed \"{}\", at once \"{}\"", streamed, text);
}

void CheckIds(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  for (const int32_t id : ids) {
    RW_CHECK(id >= 0 && static_cast<size_t>(id) < tokenizer.vocab_size(), "id {}", id);
  }
}

void TryText(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.Encode(text, SpecialTokens::kAdd);
  if (!ids) {
    RW_CHECK(ids.error().message.find('\n') == std::string::npos);
    return;
  }
  CheckIds(tokenizer, *ids);
  CheckDecoding(tokenizer, *ids, SkipSpecial::kNo);
  CheckDecoding(tokenizer, *ids, SkipSpecial::kYes);
  const auto literal = tokenizer.Encode(text, SpecialTokens::kOmit, ParseSpecial::kNo);
  if (literal) CheckIds(tokenizer, *literal);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = std::min(input.find('\0'), input.size());
  const auto document = rw::JsonDocument::Parse(input.substr(0, zero), "tokenizer.json");
  if (!document) return 0;
  const auto tokenizer = Tokenizer::FromJson(document->root());
  if (!tokenizer) {
    RW_CHECK(tokenizer.error().message.find('\n') == std::string::npos, "{}",
             tokenizer.error().message);
    return 0;
  }
  const std::string_view text = input.substr(std::min(zero + 1, input.size()));
  TryText(*tokenizer, text);
  // The bytes of the text as ids, so that decoders see tokens in any order.
  std::vector<int32_t> ids;
  for (const char byte : text) ids.push_back(static_cast<signed char>(byte));
  CheckDecoding(*tokenizer, ids, SkipSpecial::kNo);
  return 0;
}
