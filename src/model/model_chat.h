// How a model folder wants conversations written: its chat template and the tokens it speaks of.
#pragma once

#include <span>
#include <string>

#include "base/status.h"
#include "model/chat_template/chat_template.h"

namespace rw {

class ModelChat {
 public:
  // From chat_template.jinja, or the key chat_template of tokenizer_config.json (a text, or a list
  // of {name, template}, of which "default" is taken), with bos_token and eos_token from the
  // latter. An error if the folder has no template.
  static Result<ModelChat> Load(const std::string& model_dir);

  // The conversation as text, up to where the assistant's next message begins.
  Result<std::string> Render(std::span<const ChatMessage> messages) const;

 private:
  ModelChat(ChatTemplate chat_template, ChatOptions options)
      : template_(std::move(chat_template)), options_(std::move(options)) {}

  ChatTemplate template_;
  ChatOptions options_;
};

}  // namespace rw
