#include "model/tokenizer/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace rw::tok {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> SplitAtDashes(std::string_view text, SplitBehavior behavior,
                                       bool invert = false) {
  std::vector<Span> dashes, pieces;
  for (uint32_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') dashes.push_back({i, i + 1});
  }
  constexpr uint32_t kBase = 100;
  Splitter(behavior, invert).Split(static_cast<uint32_t>(text.size()), dashes, kBase, pieces);
  std::vector<std::string> texts;
  for (const Span piece : pieces) {
    texts.emplace_back(text.substr(piece.begin - kBase, piece.end - piece.begin));
  }
  return texts;
}

TEST(Splitter, DoesWhatTheBehaviorSays) {
  constexpr std::string_view kText = "the-final--countdown";
  EXPECT_THAT(SplitAtDashes(kText, SplitBehavior::kRemoved),
              ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(SplitAtDashes(kText, SplitBehavior::kIsolated),
              ElementsAre("the", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(SplitAtDashes(kText, SplitBehavior::kMergedWithPrevious),
              ElementsAre("the-", "final-", "-", "countdown"));
  EXPECT_THAT(SplitAtDashes(kText, SplitBehavior::kMergedWithNext),
              ElementsAre("the", "-final", "-", "-countdown"));
  EXPECT_THAT(SplitAtDashes(kText, SplitBehavior::kContiguous),
              ElementsAre("the", "-", "final", "--", "countdown"));
}

TEST(Splitter, InvertTakesTheRestForMatches) {
  EXPECT_THAT(SplitAtDashes("a-b", SplitBehavior::kRemoved, /*invert=*/true), ElementsAre("-"));
  EXPECT_THAT(SplitAtDashes("a-b", SplitBehavior::kMergedWithPrevious, /*invert=*/true),
              ElementsAre("a", "-b"));
}

TEST(Splitter, HasNoEmptyPieces) {
  EXPECT_THAT(SplitAtDashes("", SplitBehavior::kIsolated), IsEmpty());
  EXPECT_THAT(SplitAtDashes("--", SplitBehavior::kRemoved), IsEmpty());
  EXPECT_THAT(SplitAtDashes("--", SplitBehavior::kMergedWithNext), ElementsAre("-", "-"));
}

}  // namespace
}  // namespace rw::tok
