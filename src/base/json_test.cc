#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rw {
namespace {

using testing::HasSubstr;

JsonDocument Parsed(std::string_view text) {
  auto document = JsonDocument::Parse(text, "f.json");
  EXPECT_TRUE(document) << document.error().message;
  return *std::move(document);
}

TEST(Json, ReadsValuesAndNamesTheirPlace) {
  const JsonDocument document = Parsed(R"({"a": {"b": [1, 2.5, "x", null, true]}, "n": 3.0})");
  const Json b = *document.root().Get("a")->Get("b");
  EXPECT_EQ(b.Elements()->size(), 5u);
  EXPECT_EQ(*b.Elements()->at(0).AsInt(), 1);
  EXPECT_EQ(*b.Elements()->at(1).AsDouble(), 2.5);
  EXPECT_EQ(*b.Elements()->at(2).AsString(), "x");
  EXPECT_TRUE(b.Elements()->at(3).is_null());
  EXPECT_TRUE(*b.Elements()->at(4).AsBool());
  EXPECT_EQ(*document.root().Get("n")->AsInt(), 3);
  EXPECT_EQ(b.Elements()->at(2).AsInt().error().message,
            "f.json: a.b[2]: expected an integer, found \"x\"");
  EXPECT_EQ(document.root().Get("zz").error().message, "f.json: zz: missing");
  EXPECT_FALSE(document.root().Find("zz"));
}

TEST(Json, RefusesDeepNestingAndBadText) {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_THAT(JsonDocument::Parse(deep, "f").error().message, HasSubstr("nested at most 64"));
  EXPECT_FALSE(JsonDocument::Parse("", "f"));
  EXPECT_FALSE(JsonDocument::Parse("{} x", "f"));
  EXPECT_FALSE(JsonDocument::Parse("{\"a\": \"\xff\"}", "f"));
  EXPECT_FALSE(JsonDocument::Parse("{\"a\": 1", "f"));
}

}  // namespace
}  // namespace rw
