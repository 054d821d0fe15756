// Chat templates: how a model wants a conversation written as one text.
//
// A template is Jinja as transformers runs it (an immutable sandbox with trim_blocks,
// lstrip_blocks, loop controls, raise_exception, strftime_now, a plain tojson and {% generation
// %}). What chat templates do not use is refused with an error: include, import, extends, block,
// call, recursive loops. A template is a stranger's program: it sees nothing but its context, and
// steps, output, memory and depth are bounded.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "model/chat_template/value.h"

namespace rw {

using TemplateValue = jinja::Value;

struct RenderLimits {
  uint64_t steps = 2'000'000;  // operations; 256 bytes handled count as one more
  size_t output_bytes = size_t{16} << 20;
  size_t value_bytes = size_t{32} << 20;  // held by the values made at any moment
  int depth = 100;                        // macros calling macros
};

struct RenderOptions {
  RenderLimits limits;
  std::optional<std::tm> now;  // what strftime_now shows; local time if none
};

class ChatTemplate {
 public:
  // `name` stands for the template in messages: "chat_template.jinja:12: ...".
  static Result<ChatTemplate> Parse(std::string_view source, std::string name);

  // The text for a context: a dict of messages, tools, add_generation_prompt, bos_token, ...
  // Several threads may render one template at once.
  Result<std::string> Render(const TemplateValue& context, const RenderOptions& options = {}) const;

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

struct ChatMessage {
  std::string role;
  std::string content;
};

struct ChatOptions {
  bool add_generation_prompt = true;
  // What the tokenizer has not is undefined in the template, as in transformers.
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  // More variables, such as enable_thinking or tools; one named like another replaces it.
  std::vector<std::pair<std::string, TemplateValue>> variables;
  RenderOptions render;
};

Result<std::string> RenderChat(const ChatTemplate& chat_template,
                               std::span<const ChatMessage> messages,
                               const ChatOptions& options = {});

}  // namespace rw
