// A broken tokenizer.json is an error of one line that names the key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "model/tokenizer/tokenizer_test_files.h"

namespace rw::tok {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string ErrorOf(const std::string& text) {
  const auto tokenizer = LoadText(text);
  return tokenizer ? "no error" : tokenizer.error().message;
}

struct Case {
  std::string text;
  std::string where;
  std::string what;
};

void Check(const Case& broken) {
  SCOPED_TRACE(broken.text);
  const std::string error = ErrorOf(broken.text);
  EXPECT_THAT(error, HasSubstr("tokenizer.json: " + broken.where));
  EXPECT_THAT(error, HasSubstr(broken.what));
  EXPECT_THAT(error, Not(HasSubstr("\n")));
}

const char kVocab[] = R"({"a": 0, "b": 1, "ab": 2})";

TEST(TokenizerErrors, Bpe) {
  const Case kCases[] = {
      {"{}", "model", "missing"},
      {R"({"version": "2.0", "model": {}})", "version", "found \"2.0\""},
      {R"({"model": {"type": "WordPiece"}})", "model.type", "one of BPE, Unigram"},
      {R"({"model": {"type": 3}})", "model.type", "one of BPE, Unigram"},
      {R"({"model": []})", "model", "expected an object"},
      {BpeJson("{}", "[]"), "model.vocab", "at least one token"},
      {BpeJson("[]", "[]"), "model.vocab", "expected an object"},
      {BpeJson(R"({"a": -1})", "[]"), "model.vocab.a", "a token id"},
      {BpeJson(R"({"a": 2147483648})", "[]"), "model.vocab.a", "a token id"},
      {BpeJson(R"({"a": 1.5})", "[]"), "model.vocab.a", "a token id"},
      {BpeJson(R"({"a": 1073741824})", "[]"), "model.vocab", "in proportion"},
      {BpeJson(R"({"a": 2147483647})", "[]"), "model.vocab", "in proportion"},
      {BpeJson(R"({"a": 0, "b": 0})", "[]"), "model.vocab", "\"a\" and \"b\" for 0"},
      {BpeJson(R"({"a": 0, "a": 1})", "[]"), "model.vocab", "each token once"},
      {BpeJson(kVocab, R"([["a", "c"]])"), "model.merges[0]", "tokens of model.vocab"},
      {BpeJson(kVocab, R"([["b", "a"]])"), "model.merges[0]", "whose merger is one"},
      {BpeJson(kVocab, R"([["a", "b"], ["a"]])"), "model.merges[1]", "two tokens"},
      {BpeJson(kVocab, R"(["a b", "ab"])"), "model.merges[1]", "two tokens"},
      {BpeJson(kVocab, R"(["a  b"])"), "model.merges[0]", "two tokens"},
      {BpeJson(kVocab, R"([3])"), "model.merges[0]", "two tokens"},
      {BpeJson(kVocab, R"([["a", 3]])"), "model.merges[0][1]", "expected a string"},
      {BpeJson(kVocab, "{}"), "model.merges", "expected an array"},
      {BpeJson(kVocab, "[]", "[]", R"(, "dropout": 0.1)"), "model.dropout", "expected null"},
      {BpeJson(kVocab, "[]", "[]", R"(, "byte_fallback": 1)"), "model.byte_fallback", "true or"},
      {BpeJson(kVocab, R"([["a", "b"]])", "[]", R"(, "continuing_subword_prefix": "##")"),
       "model.merges[0]", "starts with \"##\""},
  };
  for (const Case& broken : kCases) Check(broken);
}

TEST(TokenizerErrors, Unigram) {
  const auto unigram = [](const std::string& vocab, const std::string& unk_id) {
    return R"({"model": {"type": "Unigram", "vocab": )" + vocab + R"(, "unk_id": )" + unk_id + "}}";
  };
  const Case kCases[] = {
      {unigram("[]", "null"), "model.vocab", "at least one token"},
      {unigram(R"([["a"]])", "0"), "model.vocab[0]", "a token and its score"},
      {unigram(R"([["a", "b"]])", "0"), "model.vocab[0][1]", "expected a number"},
      {unigram(R"([["a", 0]])", "1"), "model.unk_id", "the place of a token"},
      {unigram(R"([["a", 0]])", "-1"), "model.unk_id", "a token id"},
  };
  for (const Case& broken : kCases) Check(broken);
}

TEST(TokenizerErrors, AddedTokens) {
  const auto added = [](const std::string& tokens) { return BpeJson(kVocab, "[]", tokens); };
  const Case kCases[] = {
      {added(R"([{"content": "x"}])"), "added_tokens[0].id", "missing"},
      {added(R"([{"id": 3}])"), "added_tokens[0].content", "missing"},
      {added(R"([{"id": 1, "content": "x"}])"), "added_tokens[0].id", "no other token"},
      {added(R"([{"id": 1, "content": "a"}])"), "added_tokens[0].id", "expected 0"},
      {added(R"([{"id": 3, "content": "x"}, {"id": 3, "content": "y"}])"), "added_tokens[1]",
       "one token for each id"},
      {added(R"([{"id": 3, "content": "x"}, {"id": 4, "content": "x"}])"), "added_tokens[1]",
       "each token once"},
      {added(R"([{"id": 1000000, "content": "x"}])"), "added_tokens", "in proportion"},
      {added(R"([{"id": 3, "content": "x", "special": "yes"}])"), "added_tokens[0].special",
       "true or false"},
      {added("{}"), "added_tokens", "expected an array"},
  };
  for (const Case& broken : kCases) Check(broken);
}

TEST(TokenizerErrors, Stages) {
  const auto with = [](const std::string& member) {
    return "{" + member + R"(, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})";
  };
  std::string growing = R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaa"})";
  growing = R"({"type": "Sequence", "normalizers": [)" + growing + "," + growing + "," + growing +
            "," + growing + "," + growing + "]}";
  const Case kCases[] = {
      {with(R"("normalizer": {"type": "BertNormalizer"})"), "normalizer.type", "one of NFC"},
      {with(R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "X"}]})"),
       "normalizer.normalizers[0].type", "one of NFC"},
      {with(R"("normalizer": 3)"), "normalizer", "expected an object"},
      {with(R"("normalizer": {"type": "Precompiled", "precompiled_charsmap": "A"})"),
       "normalizer.precompiled_charsmap", "base64"},
      {with(R"("normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="})"),
       "normalizer.precompiled_charsmap", "a trie's size"},
      {with(R"("normalizer": )" + growing), "normalizer.normalizers", "times as long"},
      {with(R"("pre_tokenizer": {"type": "BertPreTokenizer"})"), "pre_tokenizer.type",
       "one of ByteLevel"},
      {with(R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"},
               "behavior": "Isolated"})"),
       "pre_tokenizer.pattern.Regex", "missing closing parenthesis"},
      {with(R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "X"})"),
       "pre_tokenizer.behavior", "one of Removed"},
      {with(R"("pre_tokenizer": {"type": "Split", "pattern": "a", "behavior": "Isolated"})"),
       "pre_tokenizer.pattern", "{\"String\": ...}"},
      {with(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "__"})"),
       "pre_tokenizer.replacement", "one character"},
      {with(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "_",
               "prepend_scheme": "last"})"),
       "pre_tokenizer.prepend_scheme", "one of first"},
      {with(R"("post_processor": {"type": "TemplateProcessing", "single": [],
               "special_tokens": {}})"),
       "post_processor.single", "a template with"},
      {with(R"("post_processor": {"type": "TemplateProcessing", "special_tokens": {},
               "single": [{"SpecialToken": {"id": "x"}}]})"),
       "post_processor.special_tokens.x", "missing"},
      {with(R"("post_processor": {"type": "BertProcessing", "cls": ["x", 9], "sep": ["a", 0]})"),
       "post_processor.cls[1]", "the id of a token"},
      {with(R"("decoder": {"type": "WordPiece"})"), "decoder.type", "one of ByteLevel"},
      {with(R"("decoder": {"type": "Strip", "content": " ", "start": -1, "stop": 0})"),
       "decoder.start", "not negative"},
  };
  for (const Case& broken : kCases) Check(broken);
}

TEST(TokenizerErrors, DeepNestingIsRefused) {
  std::string text = R"({"model": {}, "normalizer": )";
  for (int i = 0; i < 100; ++i) text += R"({"type": "Sequence", "normalizers": [)";
  for (int i = 0; i < 100; ++i) text += "]}";
  EXPECT_THAT(ErrorOf(text + "}"), HasSubstr("nested at most"));
}

}  // namespace
}  // namespace rw::tok
