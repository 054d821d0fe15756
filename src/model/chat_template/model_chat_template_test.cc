#include "model/chat_template/model_chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/test_files.h"

namespace rw {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string Rendered(const ModelChatTemplate& model) {
  ChatOptions options;
  options.bos_token = model.bos_token;
  options.eos_token = model.eos_token;
  const ChatMessage messages[] = {{"user", "Hi"}};
  return RenderChat(model.chat_template, messages, options).value_or("error");
}

TEST(ModelChatTemplate, FromTokenizerConfig) {
  const TestDir dir;
  dir.Write("tokenizer_config.json",
            R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>",
                "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"})");
  const auto model = LoadModelChatTemplate(dir.path());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(Rendered(*model), "<s>Hi</s>");
}

TEST(ModelChatTemplate, DefaultOfSeveral) {
  const TestDir dir;
  dir.Write("tokenizer_config.json",
            R"({"bos_token": null, "chat_template": [
                {"name": "tool_use", "template": "T"},
                {"name": "default", "template": "{{ bos_token is defined }}D"}]})");
  const auto model = LoadModelChatTemplate(dir.path());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(Rendered(*model), "FalseD");
  dir.Write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "T"}]})");
  EXPECT_THAT(LoadModelChatTemplate(dir.path()).error().message,
              AllOf(HasSubstr("chat_template"), HasSubstr("\"default\" among \"rag\"")));
}

TEST(ModelChatTemplate, ItsOwnFileComesFirst) {
  const TestDir dir;
  dir.Write("tokenizer_config.json", R"({"eos_token": "!", "chat_template": "{% broken"})");
  dir.Write("chat_template.jinja", "file {{ eos_token }}\n");
  const auto model = LoadModelChatTemplate(dir.path());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(Rendered(*model), "file !");
}

TEST(ModelChatTemplate, ErrorsSayWhatToDo) {
  const TestDir dir;
  EXPECT_THAT(LoadModelChatTemplate(dir.path()).error().message,
              AllOf(HasSubstr("this model has no chat template"), HasSubstr("plain prompt")));
  dir.Write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  EXPECT_THAT(LoadModelChatTemplate(dir.path()).error().message,
              HasSubstr("this model has no chat template"));
  dir.Write("tokenizer_config.json", R"({"chat_template": 3})");
  EXPECT_THAT(LoadModelChatTemplate(dir.path()).error().message,
              HasSubstr("chat_template: expected a string or a list"));
  dir.Write("tokenizer_config.json", R"({"chat_template": "x\n{{ 1 +}}", "bos_token": [1]})");
  EXPECT_THAT(LoadModelChatTemplate(dir.path()).error().message, HasSubstr("bos_token: expected"));
  dir.Write("tokenizer_config.json", R"({"chat_template": "x\n{{ 1 +}}"})");
  EXPECT_THAT(LoadModelChatTemplate(dir.path()).error().message,
              HasSubstr("tokenizer_config.json chat_template:2: expected an expression"));
}

}  // namespace
}  // namespace rw
