#include "model/model_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace rw {
namespace {

using testing::HasSubstr;

class ModelChatTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "model_chat";
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ + "/" + name) << text;
  }
  std::string Rendered() const {
    const auto chat = ModelChat::Load(dir_);
    if (!chat) return chat.error().message;
    const std::vector<ChatMessage> messages = {{"user", "hi"}};
    const auto text = chat->Render(messages);
    return text ? *text : text.error().message;
  }
  std::string dir_;
};

TEST_F(ModelChatTest, TakesTheTemplateWhereItStands) {
  EXPECT_THAT(Rendered(), HasSubstr("has no chat template"));
  Write("tokenizer_config.json",
        R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>",
            "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"})");
  EXPECT_EQ(Rendered(), "<s>hi</s>");
  Write("chat_template.jinja", "file {{ bos_token }}");
  EXPECT_EQ(Rendered(), "file <s>");
}

TEST_F(ModelChatTest, TakesTheDefaultOfSeveral) {
  Write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "t"},
                                                       {"name": "default", "template": "d"}]})");
  EXPECT_EQ(Rendered(), "d");
  Write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "t"}]})");
  EXPECT_THAT(Rendered(), HasSubstr("expected a template named default, found rag"));
  Write("tokenizer_config.json", R"({"chat_template": 7})");
  EXPECT_THAT(Rendered(), HasSubstr("chat_template"));
}

}  // namespace
}  // namespace rw
