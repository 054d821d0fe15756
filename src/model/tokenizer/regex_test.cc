#include "model/tokenizer/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/tokenizer/regex_syntax.h"

namespace rw::tok {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Matches(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::Compile(pattern, "pattern");
  if (!regex) return {regex.error().message};
  std::vector<Span> spans;
  const auto status = RegexScanner(*regex).FindAll(text, spans);
  if (!status) return {status.error().message};
  std::vector<std::string> found;
  for (const Span span : spans) {
    found.emplace_back(text.substr(span.begin, span.end - span.begin));
  }
  return found;
}

TEST(Regex, ReadsOnigurumasSyntax) {
  EXPECT_THAT(Matches(R"(\h+)", "xyz 1aF"), ElementsAre("1aF"));
  EXPECT_THAT(Matches(R"(\u0041|\x{42})", "ABC"), ElementsAre("A", "B"));
  EXPECT_THAT(Matches(R"(a{,2})", "aaa"), ElementsAre("aa", "a"));
  // Not possessive: the last a is left for what follows.
  EXPECT_THAT(Matches(R"(a{1,2}+a)", "aaaaa"), ElementsAre("aaaaa"));
  EXPECT_THAT(Matches(R"(a++a)", "aaaaa"), IsEmpty());
  EXPECT_THAT(Matches(R"((?m:a.b))", "a\nb"), ElementsAre("a\nb"));
  EXPECT_THAT(Matches(R"(a.b)", "a\nb"), IsEmpty());
  EXPECT_THAT(Matches(R"(^b$)", "a\nb\nc"), ElementsAre("b"));
  EXPECT_THAT(Matches(R"([a[bc]]+)", "abcd[]"), ElementsAre("abc"));
  EXPECT_THAT(Matches(R"([[:alpha:]]+)", "a\xC3\xA9 1"), ElementsAre("a\xC3\xA9"));
  EXPECT_THAT(Matches(R"({"a": b})", "{\"a\": b}"), ElementsAre("{\"a\": b}"));
}

TEST(Regex, KnowsUnicode) {
  EXPECT_THAT(Matches(R"(\s+)", "a\xC2\xA0\xE3\x80\x80z"), ElementsAre("\xC2\xA0\xE3\x80\x80"));
  EXPECT_THAT(Matches(R"(\s)", "\xE1\xA0\x8E"), IsEmpty());  // U+180E is no whitespace
  EXPECT_THAT(Matches(R"(\p{Han}+)", "a\xE4\xB8\xAD\xE6\x96\x87!"),
              ElementsAre("\xE4\xB8\xAD\xE6\x96\x87"));
  EXPECT_THAT(Matches(R"(\w+)", "e\xCC\x81_1 \xC2\xBD"), ElementsAre("e\xCC\x81_1", "\xC2\xBD"));
  EXPECT_THAT(Matches(R"((?i:'S))", "it'\xC5\xBF"), ElementsAre("'\xC5\xBF"));  // long s
}

TEST(Regex, PassesOverEmptyMatchesBehindMatches) {
  EXPECT_THAT(Matches("x*", "axxb"), ElementsAre("", "xx", ""));
  EXPECT_THAT(Matches("", "\xC3\xA9z"), ElementsAre("", "", ""));
}

TEST(Regex, RefusesWhatItCannotTranslate) {
  for (const char* pattern : {"[a&&b]", "[a[^b]]", R"(a\Kb)", "(*ACCEPT)", "(?x)a", "(?R)", "(?C1)",
                              "[a", "(a", "a\\", R"(\p{L)", R"(\uZZ)", R"(\p{NoSuchScript})"}) {
    const auto regex = Regex::Compile(pattern, "there");
    ASSERT_FALSE(regex) << pattern;
    EXPECT_THAT(regex.error().message, HasSubstr("there: expected a regular expression"));
  }
}

TEST(Regex, FindsMatchesLongerThanItsWindow) {
  const std::string text(300000, 'a');
  EXPECT_THAT(Matches("a+", text), ElementsAre(text));
  EXPECT_THAT(Matches("b|a+$", text + "\n"), ElementsAre(text));
  EXPECT_THAT(Matches("a+(?!a)|b", text + " b"), ElementsAre(text, "b"));
  // Matches far apart, and at every place of a window.
  std::string sparse, found;
  for (int i = 0; i < 200; ++i) sparse += std::string(i * 7, '.') + "<\xC3\xA9>";
  for (const std::string& match : Matches("<\xC3\xA9>", sparse)) found += match;
  EXPECT_EQ(found.size(), 200u * 4);
}

TEST(Regex, EndsWithAnErrorInsteadOfRunningOn) {
  const std::string text(100000, 'a');
  for (const char* pattern : {"(a+)+b", "(a|a)*b", "(a|aa)+$b", "a*a*a*a*a*b"}) {
    EXPECT_THAT(Matches(pattern, text), ElementsAre(HasSubstr("too many steps"))) << pattern;
  }
}

}  // namespace
}  // namespace rw::tok
