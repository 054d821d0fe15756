#include "model/chat_template/chat_template.h"

#include <algorithm>
#include <vector>

#include "model/chat_template/ast.h"
#include "model/chat_template/interpreter.h"
#include "model/chat_template/parser.h"
#include "model/chat_template/runtime.h"
#include "model/chat_template/text.h"

namespace rw {
namespace {

std::tm LocalTime() {
  const std::time_t seconds = std::time(nullptr);
  std::tm now{};
  localtime_r(&seconds, &now);
  return now;
}

// Parts of the template or the chat may stand in a message: one line of sensible length it stays.
std::string OneLine(std::string message) {
  constexpr size_t kMaxMessage = 1000;
  if (message.size() > kMaxMessage) {
    message.resize(jinja::PreviousStart(message, kMaxMessage));
    message += "...";
  }
  for (char& c : message) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return message;
}

}  // namespace

struct ChatTemplate::Impl {
  std::string name;
  jinja::Block body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source, std::string name) {
  auto body = jinja::ParseTemplate(source, name);
  if (!body) return Err("{}", OneLine(std::move(body).error().message));
  return ChatTemplate(std::make_unique<const Impl>(Impl{std::move(name), *std::move(body)}));
}

Result<std::string> ChatTemplate::Render(const TemplateValue& context,
                                         const RenderOptions& options) const {
  if (!context.is(jinja::Kind::kDict)) {
    return Err("{}: expected a dict as context, found a '{}'", impl_->name, context.type_name());
  }
  const RenderLimits& limits = options.limits;
  jinja::Runtime runtime(limits.steps, limits.value_bytes,
                         options.now ? *options.now : LocalTime());
  jinja::Interpreter interpreter(runtime, context, limits.output_bytes, limits.depth);
  auto text = interpreter.Run(impl_->body);
  if (text) return text;
  return Err("{}:{}: {}", impl_->name, std::max(interpreter.error_line(), 1),
             OneLine(std::move(text).error().message));
}

Result<std::string> RenderChat(const ChatTemplate& chat_template,
                               std::span<const ChatMessage> messages, const ChatOptions& options) {
  std::vector<TemplateValue> list;
  for (const ChatMessage& message : messages) {
    list.push_back(TemplateValue::Object({{"role", TemplateValue::String(message.role)},
                                          {"content", TemplateValue::String(message.content)}}));
  }
  // transformers passes tools and documents as none where there are none.
  std::vector<std::pair<std::string, TemplateValue>> context = {
      {"messages", TemplateValue::List(std::move(list))},
      {"tools", TemplateValue::None()},
      {"documents", TemplateValue::None()},
      {"add_generation_prompt", TemplateValue::Bool(options.add_generation_prompt)}};
  if (options.bos_token)
    context.emplace_back("bos_token", TemplateValue::String(*options.bos_token));
  if (options.eos_token)
    context.emplace_back("eos_token", TemplateValue::String(*options.eos_token));
  context.insert(context.end(), options.variables.begin(), options.variables.end());
  return chat_template.Render(TemplateValue::Object(std::move(context)), options.render);
}

}  // namespace rw
