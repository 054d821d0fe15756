// The chat template that comes with a model.
#pragma once

#include <optional>
#include <string>

#include "model/chat_template/chat_template.h"

namespace rw {

struct ModelChatTemplate {
  ChatTemplate chat_template;
  // The tokenizer's, for the template's variables of these names.
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
};

// From chat_template.jinja of the model's folder, or else the chat_template of its
// tokenizer_config.json: a string, or a list of named ones of which "default" is taken. An error
// that says what to do if there is none. Of a GGUF file: its tokenizer.chat_template.
Result<ModelChatTemplate> LoadModelChatTemplate(const std::string& model);

}  // namespace rw
