#include "engine/text_stream.h"

#include <gtest/gtest.h>

namespace rw {
namespace {

Tokenizer LoadGpt2() {
  auto tokenizer = Tokenizer::Load(RW_SOURCE_DIR "/tests/golden/tokenizers/gpt2.tokenizer.json");
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return *std::move(tokenizer);
}

// What is shown of `text`, fed token by token.
std::string Shown(const std::string& text, std::vector<std::string> stop, bool* stopped) {
  const Tokenizer tokenizer = LoadGpt2();
  TextStream stream(tokenizer, std::move(stop));
  std::string out;
  const auto ids = tokenizer.Encode(text, SpecialTokens::kOmit);
  EXPECT_TRUE(ids) << ids.error().message;
  for (const int32_t id : *ids) out += stream.Push(id);
  out += stream.Finish();
  *stopped = stream.stopped();
  return out;
}

TEST(TextStream, StopsBeforeTheStopText) {
  bool stopped = false;
  EXPECT_EQ(Shown("one two three", {}, &stopped), "one two three");
  EXPECT_FALSE(stopped);
  EXPECT_EQ(Shown("one two three", {"two"}, &stopped), "one ");
  EXPECT_TRUE(stopped);
  // The earliest stop text counts, and one that only begins does not.
  EXPECT_EQ(Shown("one two three", {"three", "e t"}, &stopped), "on");
  EXPECT_EQ(Shown("one two three", {"three!"}, &stopped), "one two three");
  EXPECT_FALSE(stopped);
  EXPECT_EQ(Shown("aaab", {"aab"}, &stopped), "a");
  EXPECT_EQ(Shown("caf\u00e9 \u4f60\u597d", {"\u597d"}, &stopped), "caf\u00e9 \u4f60");
}

}  // namespace
}  // namespace rw
