// Against goldens that Hugging Face's tokenizers made, and for what they cannot show.
#include "model/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/tokenizer/tokenizer_test_files.h"
#include "model/tokenizer/utf8.h"

namespace rw {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using tok::BpeJson;
using tok::LoadText;

std::vector<int32_t> IdsAt(const Json& line, std::string_view key) {
  const std::vector<Json> elements = line.Get(key).value().Elements().value();
  std::vector<int32_t> ids;
  for (const Json& id : elements) ids.push_back(static_cast<int32_t>(id.AsInt().value()));
  return ids;
}

// What a stream says of ids; each part must be whole code points.
std::string Stream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, SkipSpecial skip) {
  StreamDecoder decoder(tokenizer, skip);
  std::string text;
  for (const int32_t id : ids) {
    const std::string part = decoder.Push(id);
    EXPECT_EQ(tok::ValidUtf8Prefix(part), part.size());
    text += part;
  }
  return text + decoder.Finish();
}

void CheckDecoding(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, SkipSpecial skip,
                   std::string_view wanted) {
  EXPECT_EQ(tokenizer.Decode(ids, skip), wanted);
  EXPECT_EQ(Stream(tokenizer, ids, skip), wanted);
}

// A line may lack what the library it came from could not say.
void CheckLine(const Tokenizer& tokenizer, const Json& line) {
  if (const auto text = line.Find("text")) {
    SCOPED_TRACE(*text->AsString());
    const std::string_view s = *text->AsString();
    EXPECT_EQ(tokenizer.Encode(s, SpecialTokens::kAdd).value(), IdsAt(line, "ids"));
    if (line.Find("ids_no_special")) {
      EXPECT_EQ(tokenizer.Encode(s, SpecialTokens::kOmit).value(), IdsAt(line, "ids_no_special"));
    }
    if (line.Find("ids_literal")) {
      EXPECT_EQ(tokenizer.Encode(s, SpecialTokens::kOmit, ParseSpecial::kNo).value(),
                IdsAt(line, "ids_literal"));
    }
  }
  struct Decoded {
    const char* text;
    const char* ids;
    SkipSpecial skip;
  };
  constexpr Decoded kDecoded[] = {
      {"decoded", "ids_no_special", SkipSpecial::kNo},
      {"decoded_skip_special", "ids", SkipSpecial::kYes},
      {"decoded_random", "random_ids", SkipSpecial::kNo},
      {"decoded_random_skip", "random_ids", SkipSpecial::kYes},
  };
  for (const Decoded& decoded : kDecoded) {
    if (const auto text = line.Find(decoded.text)) {
      CheckDecoding(tokenizer, IdsAt(line, decoded.ids), decoded.skip, *text->AsString());
    }
  }
}

// Every <name>.tokenizer.json of a folder against <name>.golden.jsonl. Returns how many lines.
int CheckFolder(const std::string& folder) {
  int lines = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    const size_t at = path.find(".tokenizer.json");
    if (at == std::string::npos) continue;
    SCOPED_TRACE(path);
    const auto tokenizer = Tokenizer::Load(path);
    if (!tokenizer) {
      ADD_FAILURE() << tokenizer.error().message;
      continue;
    }
    std::istringstream golden(ReadFile(path.substr(0, at) + ".golden.jsonl").value());
    for (std::string line; std::getline(golden, line); ++lines) {
      const JsonDocument document = JsonDocument::Parse(line, "line").value();
      CheckLine(*tokenizer, document.root());
    }
  }
  return lines;
}

constexpr char kGoldens[] = RW_SOURCE_DIR "/tests/golden/tokenizers";

TEST(Tokenizer, AgreesWithHuggingFace) { EXPECT_EQ(CheckFolder(kGoldens), 6 * 250); }

TEST(Tokenizer, AgreesWithHuggingFaceOnRareStages) {
  EXPECT_GT(CheckFolder(std::string(kGoldens) + "/extra"), 500);
}

Tokenizer Gpt2() { return Tokenizer::Load(std::string(kGoldens) + "/gpt2.tokenizer.json").value(); }

TEST(Tokenizer, NamesItsTokens) {
  const Tokenizer tokenizer = Gpt2();
  EXPECT_EQ(tokenizer.vocab_size(), 3000u);
  EXPECT_EQ(tokenizer.TokenId("<|eot|>"), 1);
  EXPECT_EQ(tokenizer.TokenText(1), "<|eot|>");
  EXPECT_TRUE(tokenizer.IsSpecial(1));
  EXPECT_FALSE(tokenizer.IsSpecial(2));
  EXPECT_EQ(tokenizer.TokenId("no such token"), std::nullopt);
  for (const int32_t id : {-1, 3000, 1 << 30}) {
    EXPECT_EQ(tokenizer.TokenText(id), "");
    EXPECT_FALSE(tokenizer.IsSpecial(id));
    EXPECT_EQ(tokenizer.Decode(std::vector{id}, SkipSpecial::kNo), "");
  }
}

TEST(Tokenizer, FindsAddedTokensThatTheModelLacks) {
  const auto tokenizer = LoadText(
      BpeJson(R"({"a": 0, "b": 1})", "[]", R"([{"id": 7, "content": "<x>", "special": true}])"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->vocab_size(), 8u);
  EXPECT_EQ(tokenizer->TokenId("<x>"), 7);
  EXPECT_THAT(*tokenizer->Encode("a<x>b", SpecialTokens::kOmit), ElementsAre(0, 7, 1));
  EXPECT_EQ(tokenizer->TokenText(5), "");  // a gap
}

TEST(Tokenizer, KeepsSpecialTokensOutOfPlainText) {
  const Tokenizer tokenizer = Gpt2();
  const auto special = tokenizer.Encode("a<|eot|>b", SpecialTokens::kOmit);
  const auto plain = tokenizer.Encode("a<|eot|>b", SpecialTokens::kOmit, ParseSpecial::kNo);
  EXPECT_THAT(*special, ::testing::Contains(1));
  EXPECT_THAT(*plain, ::testing::Not(::testing::Contains(1)));
  EXPECT_EQ(tokenizer.Decode(*plain, SkipSpecial::kYes), "a<|eot|>b");
}

// The model itself must not find a special token in plain text either: Hugging Face's does, as a
// token of the vocabulary that merges or scores lead to.
TEST(Tokenizer, KeepsTheModelFromSpecialTokensInPlainText) {
  const std::string added = R"([{"id": 2, "content": "ab", "special": true}])";
  const std::string vocab = R"({"a": 0, "b": 1, "ab": 2})";
  for (const std::string options : {"", R"(, "ignore_merges": true)"}) {
    const auto bpe = LoadText(BpeJson(vocab, R"([["a", "b"]])", added, options));
    ASSERT_TRUE(bpe) << bpe.error().message;
    EXPECT_THAT(*bpe->Encode("ab", SpecialTokens::kOmit), ElementsAre(2));
    EXPECT_THAT(*bpe->Encode("ab", SpecialTokens::kOmit, ParseSpecial::kNo), ElementsAre(0, 1));
  }
  const auto unigram = LoadText(R"({"added_tokens": )" + added +
                                R"(, "model": {"type": "Unigram", "unk_id": 3,
          "vocab": [["a", -1], ["b", -1], ["ab", -1], ["<unk>", -1]]}})");
  ASSERT_TRUE(unigram) << unigram.error().message;
  EXPECT_THAT(*unigram->Encode("ab", SpecialTokens::kOmit), ElementsAre(2));
  EXPECT_THAT(*unigram->Encode("ab", SpecialTokens::kOmit, ParseSpecial::kNo), ElementsAre(0, 1));
}

// An unknown token is called special, but it is what unknown text becomes, trusted or not.
TEST(Tokenizer, KeepsTheUnknownTokenInPlainText) {
  const auto tokenizer = LoadText(BpeJson(R"({"a": 0, "<unk>": 1})", "[]",
                                          R"([{"id": 1, "content": "<unk>", "special": true}])",
                                          R"(, "unk_token": "<unk>", "fuse_unk": true)"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT(*tokenizer->Encode("a??a", SpecialTokens::kOmit, ParseSpecial::kNo),
              ElementsAre(0, 1, 0));
}

TEST(Tokenizer, NamesCharactersThatItCannotSpell) {
  const auto tokenizer = LoadText(BpeJson(R"({"a": 0})", "[]", "[]", R"(, "unk_token": "<unk>")"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT(tokenizer->Encode("a?", SpecialTokens::kOmit).error().message,
              ::testing::HasSubstr("model.unk_token"));
}

// Whitespace that one token took along is not found again as another. (Hugging Face's library drops
// the second token where nothing is left of it, and fails where less than nothing is.)
TEST(Tokenizer, AddedTokensTakeWhitespaceOnce) {
  const auto tokenizer =
      LoadText(BpeJson(R"({"a": 0})", "[]",
                       R"([{"id": 1, "content": "<x>", "rstrip": true, "normalized": false},
          {"id": 2, "content": " ", "lstrip": true, "normalized": false}])"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT(*tokenizer->Encode("<x>  a a", SpecialTokens::kOmit), ElementsAre(1, 0, 2, 0));
}

// Metaspace's "first" is the begin of the text, which a normalizer may have taken away.
TEST(Tokenizer, MetaspaceMarksTheBeginOfTheText) {
  const std::string json = R"({
    "added_tokens": [{"id": 2, "content": "<x>", "normalized": false}],
    "normalizer": {"type": "Strip", "strip_left": true, "strip_right": false},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first",
                      "split": false},
    "model": {"type": "BPE", "vocab": {"a": 0, "_": 1}, "merges": []}})";
  const auto tokenizer = LoadText(json);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT(*tokenizer->Encode("a<x>a", SpecialTokens::kOmit), ElementsAre(1, 0, 2, 0));
  EXPECT_THAT(*tokenizer->Encode(" a", SpecialTokens::kOmit), ElementsAre(0));
}

TEST(Tokenizer, RefusesTextThatIsNoUtf8) {
  const auto ids = Gpt2().Encode("ab\xC3(", SpecialTokens::kOmit);
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().message, "text: expected UTF-8, found other bytes at byte 2");
}

// A merge queue of its own serves rows of more than 512 symbols; it must do what the other one
// does.
TEST(Tokenizer, MergesLongRowsLikeShortOnes) {
  const Tokenizer tokenizer = Gpt2();
  std::string word;
  for (int i = 0; i < 4000; ++i) word += "etaoinsh"[(i * i + i / 7) % 8];
  const auto whole = tokenizer.Encode(word, SpecialTokens::kOmit);
  ASSERT_TRUE(whole);
  EXPECT_EQ(tokenizer.Decode(*whole, SkipSpecial::kNo), word);
  // Far from its ends a long row has the tokens of a shorter one.
  const auto part = tokenizer.Encode(word.substr(0, 500), SpecialTokens::kOmit);
  EXPECT_TRUE(std::equal(part->begin(), part->end() - 20, whole->begin()));
}

// What takes quadratic time when done simply would not end here.
TEST(Tokenizer, TakesLongPieces) {
  const Tokenizer tokenizer = Gpt2();
  for (const std::string unit : {"a", " ", "\n", "\xCC\x81\xCC\xA3", "1", "=-"}) {
    std::string text;
    while (text.size() < 1000000) text += unit;
    const auto ids = tokenizer.Encode(text, SpecialTokens::kOmit);
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(tokenizer.Decode(*ids, SkipSpecial::kNo), text);
  }
}

TEST(StreamDecoder, HandsOutWhatIsCertain) {
  const Tokenizer tokenizer = Gpt2();
  const auto id = [&](std::string_view text) { return tokenizer.TokenId(text).value(); };
  StreamDecoder decoder(tokenizer, SkipSpecial::kYes);
  EXPECT_EQ(decoder.Push(id("a")), "a");
  EXPECT_EQ(decoder.Push(1), "");  // special
  // U+00E9 in two bytes, then its first byte only.
  EXPECT_EQ(decoder.Push(id("Ã")), "");
  EXPECT_EQ(decoder.Push(id("©")), "\xC3\xA9");
  EXPECT_EQ(decoder.Push(id("Ã")), "");
  EXPECT_EQ(decoder.Push(id("b")),
            "\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(decoder.Push(id("Ã")), "");
  EXPECT_EQ(decoder.Finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.Finish(), "");
}

TEST(StreamDecoder, DropsTheFirstSpaceOnly) {
  const auto tokenizer = Tokenizer::Load(std::string(kGoldens) + "/spm_bpe.tokenizer.json").value();
  const auto ids = tokenizer.Encode("to be", SpecialTokens::kOmit).value();
  StreamDecoder decoder(tokenizer, SkipSpecial::kNo);
  std::string text = decoder.Push(ids[0]);
  ASSERT_THAT(text, ::testing::Not(IsEmpty()));
  EXPECT_NE(text[0], ' ');
  for (size_t i = 1; i < ids.size(); ++i) text += decoder.Push(ids[i]);
  EXPECT_EQ(text, "to be");
  EXPECT_EQ(decoder.Finish(), "");
}

}  // namespace
}  // namespace rw
