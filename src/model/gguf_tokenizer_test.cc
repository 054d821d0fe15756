#include "model/gguf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "model/chat_template/model_chat_template.h"
#include "model/gguf_testing.h"
#include "model/model_files.h"
#include "model/score_merges.h"
#include "model/test_files.h"

namespace rw {
namespace {

using testing::HasSubstr;

const std::string kGolden = RW_SOURCE_DIR "/tests/golden/";

struct Case {
  std::string file;
  std::string tokenizer;
};

class GgufTokenizers : public ::testing::TestWithParam<Case> {};

std::vector<int32_t> Ids(const Json& line, std::string_view key) {
  const std::vector<Json> elements = line.Get(key)->Elements().value();
  std::vector<int32_t> ids;
  for (const Json& id : elements) ids.push_back(static_cast<int32_t>(*id.AsInt()));
  return ids;
}

// Those of tests/golden/tokenizers, recorded from Hugging Face's. The SentencePiece one is made of
// scores alone.
TEST_P(GgufTokenizers, GiveTheIdsOfTheirTokenizerJson) {
  const auto tokenizer = LoadTokenizer(kGolden + "gguf/" + GetParam().file);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  std::ifstream lines(kGolden + "tokenizers/" + GetParam().tokenizer + ".golden.jsonl");
  int count = 0;
  for (std::string text; std::getline(lines, text); ++count) {
    const auto document = JsonDocument::Parse(text, "golden");
    ASSERT_TRUE(document);
    const Json line = document->root();
    const std::string_view input = *line.Get("text")->AsString();
    SCOPED_TRACE(input);
    const std::vector<int32_t> plain = Ids(line, "ids_no_special");
    EXPECT_EQ(tokenizer->Encode(input, SpecialTokens::kAdd).value(), Ids(line, "ids"));
    EXPECT_EQ(tokenizer->Encode(input, SpecialTokens::kOmit).value(), plain);
    EXPECT_EQ(tokenizer->Decode(plain, SkipSpecial::kNo), *line.Get("decoded")->AsString());
  }
  EXPECT_GT(count, 200);
}

INSTANTIATE_TEST_SUITE_P(Golden, GgufTokenizers,
                         ::testing::Values(Case{"tok_gpt2.gguf", "gpt2"},
                                           Case{"tok_qwen2.gguf", "qwen2"},
                                           Case{"llama_yarn.gguf", "llama3"},
                                           Case{"gemma2.gguf", "spm_bpe"}),
                         [](const auto& info) { return info.param.tokenizer; });

// The order that transformers' converter gives, recorded by tools/golden/make_gguf.py.
TEST(GgufTokenizer, MergesFollowFromScores) {
  const auto model = GgufModel::Open(kGolden + "gguf/gemma2.gguf");
  ASSERT_TRUE(model);
  const auto json = GgufTokenizerJson(*model);
  ASSERT_TRUE(json) << json.error().message;
  const auto made = JsonDocument::Parse(*json, "made");
  const auto recorded = JsonDocument::Load(kGolden + "gguf/spm_scores.json");
  ASSERT_TRUE(made && recorded);
  const auto merges = [](const Json& list) {
    std::vector<std::string> texts;
    const std::vector<Json> pairs = list.Elements().value();
    for (const Json& pair : pairs) {
      const std::vector<Json> two = pair.Elements().value();
      texts.push_back(fmt::format("{} {}", *two[0].AsString(), *two[1].AsString()));
    }
    return texts;
  };
  EXPECT_EQ(merges(*made->root().Get("model")->Get("merges")), merges(recorded->root()));
}

TEST(GgufTokenizer, LongPiecesAreNotCut) {
  const std::string longest(256, 'a');
  const std::string longer(257, 'a');
  const std::vector<ScoredPiece> pieces = {
      {"a", -1}, {std::string_view(longest).substr(1), -2}, {longest, -3}, {longer, -4}};
  using Pair = std::pair<size_t, size_t>;
  EXPECT_THAT(MergesByScore(pieces), testing::ElementsAre(Pair(1, 0), Pair(0, 1)));
}

GgufBytes Bpe(std::string_view pre) {
  return GgufBytes()
      .Text("tokenizer.ggml.model", "gpt2")
      .Text("tokenizer.ggml.pre", pre)
      .Texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<e>", "\"\\\n", "[PAD]", " c"})
      .Wholes("tokenizer.ggml.token_type", {1, 1, 1, 3, 4, 5, 4})
      .Texts("tokenizer.ggml.merges", {"a b"})
      .Whole("tokenizer.ggml.eos_token_id", 3);
}

Result<Tokenizer> Make(const GgufBytes& bytes) {
  const std::string text = bytes.Bytes();
  RW_ASSIGN(const GgufModel model, GgufModel::Parse(std::as_bytes(std::span(text)), "f.gguf"));
  return GgufTokenizer(model);
}

std::vector<int32_t> Encode(const GgufBytes& bytes, std::string_view text) {
  const auto tokenizer = Make(bytes);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return tokenizer ? tokenizer->Encode(text, SpecialTokens::kAdd).value() : std::vector<int32_t>();
}

TEST(GgufTokenizer, HeedsTypesOfTokens) {
  EXPECT_THAT(Encode(Bpe("gpt-2"), "ab<e>\"\\\nb c"), testing::ElementsAre(2, 3, 4, 1, 6));
  const auto tokenizer = Make(Bpe("gpt-2"));
  EXPECT_TRUE(tokenizer->IsSpecial(3));
  EXPECT_FALSE(tokenizer->IsSpecial(4));
  EXPECT_EQ(tokenizer->TokenText(5), "");  // unused
}

TEST(GgufTokenizer, AddsWhatTheFileSays) {
  EXPECT_THAT(Encode(Bpe("gpt-2").Bool("tokenizer.ggml.add_eos_token", true), "a"),
              testing::ElementsAre(0, 3));
  const GgufBytes llama = Bpe("llama-bpe").Whole("tokenizer.ggml.bos_token_id", 3);
  EXPECT_THAT(Encode(llama, "a"), testing::ElementsAre(3, 0));
  EXPECT_THAT(Encode(GgufBytes(llama).Bool("tokenizer.ggml.add_bos_token", false), "a"),
              testing::ElementsAre(0));
}

std::string ErrorOf(const GgufBytes& bytes) {
  const auto tokenizer = Make(bytes);
  return tokenizer ? "(no error)" : tokenizer.error().message;
}

TEST(GgufTokenizer, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(ErrorOf(Bpe("default")),
              HasSubstr("f.gguf: tokenizer.ggml.pre: expected one of llama-bpe, "));
  EXPECT_THAT(
      ErrorOf(
          GgufBytes().Texts("tokenizer.ggml.tokens", {"a"}).Text("tokenizer.ggml.model", "bert")),
      HasSubstr("expected gpt2 (byte-level BPE) or llama (SentencePiece), found \"bert\""));
  EXPECT_THAT(ErrorOf(GgufBytes()), HasSubstr("tokenizer.ggml.tokens: expected among"));
  EXPECT_THAT(ErrorOf(Bpe("qwen2").Floats("tokenizer.ggml.scores", {1, 2})),
              HasSubstr("expected one for each of 7 tokens, found an array of 2 f32"));
  EXPECT_THAT(ErrorOf(Bpe("qwen2")
                          .Whole("tokenizer.ggml.bos_token_id", 99)
                          .Bool("tokenizer.ggml.add_bos_token", true)),
              HasSubstr("tokenizer.ggml.bos_token_id: expected an id below 7, found 99"));
  GgufBytes bad;
  bad.Text("tokenizer.ggml.model", "llama").Texts("tokenizer.ggml.tokens", {"\xff"});
  EXPECT_THAT(ErrorOf(bad), HasSubstr("f.gguf as tokenizer.json"));  // not UTF-8
  GgufBytes kinds;
  kinds.Texts("tokenizer.ggml.tokens", {"a"}).Wholes("tokenizer.ggml.token_type", {9});
  EXPECT_THAT(ErrorOf(kinds), HasSubstr("expected types from 1 to 6"));
}

TEST(GgufChatTemplate, IsThatOfTheFile) {
  const auto chat = LoadModelChatTemplate(kGolden + "gguf/llama_yarn.gguf");
  ASSERT_TRUE(chat) << chat.error().message;
  EXPECT_EQ(chat->bos_token, "<|bos|>");
  EXPECT_EQ(chat->eos_token, "<|eot|>");
  const std::vector<ChatMessage> messages = {{"user", "Hi"}};
  ChatOptions options;
  options.bos_token = chat->bos_token;
  options.eos_token = chat->eos_token;
  EXPECT_EQ(*RenderChat(chat->chat_template, messages, options),
            "<|bos|>user: Hi<|eot|>assistant: ");
  EXPECT_THAT(LoadModelChatTemplate(kGolden + "gguf/tok_gpt2.gguf").error().message,
              HasSubstr("this model has no chat template (no tokenizer.chat_template)"));
}

}  // namespace
}  // namespace rw
