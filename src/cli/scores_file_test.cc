#include "cli/scores_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/test_files.h"

namespace rw {
namespace {

using ::testing::HasSubstr;

TextScores Some() { return {"a model", 512, 256, {{3, 1.0 / 3}, {7, 2.5}, {3, 1e-17}}}; }

TEST(ScoresFile, ReadsBackWhatItWrote) {
  const TestDir dir;
  const Status saved = SaveScores(Some(), dir / "scores.json");
  ASSERT_TRUE(saved) << saved.error().message;
  const auto loaded = LoadScores(dir / "scores.json");
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_TRUE(CheckPaired(Some(), *loaded, "scores.json"));
  const Mean difference = MeanDifference(Some(), *loaded);
  EXPECT_EQ(difference.mean, 0);
  EXPECT_EQ(difference.error, 0);
}

TEST(ScoresFile, DifferencesArePaired) {
  TextScores higher = Some();
  for (TokenScore& score : higher.scores) score.nll += 0.25;
  const Mean difference = MeanDifference(higher, Some());
  EXPECT_NEAR(difference.mean, 0.25, 1e-12);
  EXPECT_NEAR(difference.error, 0, 1e-12);  // however far apart the tokens are
}

TEST(ScoresFile, OtherTokensOrWindowsAreNotCompared) {
  TextScores other = Some();
  other.stride = 512;
  auto status = CheckPaired(Some(), other, "base.json");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message,
              HasSubstr("base.json: expected scores with --context 512 --stride 256"));
  other = Some();
  other.scores[1].token = 8;
  status = CheckPaired(Some(), other, "base.json");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("another text or tokenizer"));
}

TEST(ScoresFile, BadFilesAreErrors) {
  const TestDir dir;
  const auto error = [&](std::string_view text) {
    dir.Write("bad.json", text);
    const auto loaded = LoadScores(dir / "bad.json");
    return loaded ? "" : loaded.error().message;
  };
  EXPECT_THAT(error("{}"), HasSubstr("bad.json"));
  const std::string head = R"({"model": "m", "context": 4, "stride": 2, )";
  EXPECT_THAT(error(head + R"("tokens": [1, 2], "nlls": [0.5]})"),
              HasSubstr("expected one nll for each of 2 tokens, found 1"));
  EXPECT_THAT(error(head + R"("tokens": [], "nlls": []})"), HasSubstr("found 0"));
  EXPECT_THAT(error(head + R"("tokens": [-1], "nlls": [0.5]})"), HasSubstr("tokens"));
  EXPECT_THAT(error(head + R"("tokens": [1], "nlls": ["x"]})"), HasSubstr("nlls"));
}

}  // namespace
}  // namespace rw
