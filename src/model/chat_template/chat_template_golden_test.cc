// Agreement with Jinja itself: tests/golden/chat_templates/generate.py wrote what is expected.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "model/chat_template/chat_template.h"

namespace rw {
namespace {

const std::string kDir = RW_SOURCE_DIR "/tests/golden/chat_templates/";

RenderOptions Options() {
  RenderOptions options;
  std::tm now{};  // 5 March 2025, 14:07:09, as in generate.py
  now.tm_year = 125;
  now.tm_mon = 2;
  now.tm_mday = 5;
  now.tm_hour = 14;
  now.tm_min = 7;
  now.tm_sec = 9;
  now.tm_wday = 3;
  now.tm_yday = 63;
  options.now = now;
  return options;
}

Result<std::string> Render(const std::string& source, const TemplateValue& context) {
  RW_ASSIGN(const ChatTemplate chat_template, ChatTemplate::Parse(source, "template"));
  return chat_template.Render(context, Options());
}

// `wanted` is {"text": ...} or {"error": "Type: message"}.
void Compare(const std::string& source, const TemplateValue& context, const Json& wanted) {
  const Result<std::string> got = Render(source, context);
  if (const auto text = wanted.Find("text")) {
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, *text->AsString());
    return;
  }
  const std::string error(*wanted.Get("error")->AsString());
  ASSERT_FALSE(got) << "rendered to: " << *got << "\nwhere Jinja says " << error;
  constexpr std::string_view kRaised = "TemplateError: ";
  if (error.starts_with(kRaised)) {
    EXPECT_THAT(got.error().message, testing::HasSubstr(error.substr(kRaised.size())));
  }
}

JsonDocument Load(const std::string& name) {
  auto document = JsonDocument::Load(kDir + name);
  EXPECT_TRUE(document) << document.error().message;
  return *std::move(document);
}

TEST(ChatTemplateGolden, TemplatesAgreeWithJinja) {
  const JsonDocument document = Load("expected.json");
  const Json contexts = *document.root().Get("contexts");
  int count = 0;
  const auto compare_all = [&](std::string_view file, Json by_context) -> Status {
    RW_ASSIGN(const std::string source, ReadFile(kDir + std::string(file)));
    return by_context.ForEachMember([&](std::string_view name, Json wanted) -> Status {
      SCOPED_TRACE(fmt::format("{} with context \"{}\"", file, name));
      RW_ASSIGN(const Json json, contexts.Get(name));
      RW_ASSIGN(const TemplateValue context, TemplateValue::FromJson(json));
      Compare(source, context, wanted);
      ++count;
      return {};
    });
  };
  const Status status = document.root().Get("expected")->ForEachMember(compare_all);
  EXPECT_TRUE(status) << status.error().message;
  EXPECT_GE(count, 200);
}

TEST(ChatTemplateGolden, StatementsAndExpressionsAgreeWithJinja) {
  const JsonDocument document = Load("cases.json");
  const auto variables = TemplateValue::FromJson(*document.root().Get("variables"));
  ASSERT_TRUE(variables);
  int count = 0;
  const Status status =
      document.root().Get("cases")->ForEachElement([&](size_t, Json entry) -> Status {
        RW_ASSIGN(const Json source, entry.Get("template"));
        SCOPED_TRACE(*source.AsString());
        Compare(std::string(*source.AsString()), *variables, entry);
        ++count;
        return {};
      });
  EXPECT_TRUE(status) << status.error().message;
  EXPECT_GE(count, 500);
}

}  // namespace
}  // namespace rw
