#include "model/model_chat.h"

#include <filesystem>
#include <optional>

#include "base/file.h"
#include "base/json.h"

namespace rw {
namespace {

constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

// "bos_token": "<s>", or {"content": "<s>", ...}, or null.
Result<std::optional<std::string>> TokenOf(const Json& config, std::string_view key) {
  std::optional<Json> value = config.Find(key);
  if (value && value->is_object()) value = value->Find("content");
  if (!value || value->is_null()) return std::nullopt;
  RW_ASSIGN(const std::string_view text, value->AsString());
  return std::string(text);
}

// The key chat_template, if it holds a template.
Result<std::optional<std::string>> TemplateOf(const Json& config) {
  const std::optional<Json> value = config.Find("chat_template");
  if (!value || value->is_null()) return std::nullopt;
  if (value->is_string()) return std::string(*value->AsString());
  RW_ASSIGN(const std::vector<Json> choices, value->Elements());
  std::string names;
  for (const Json& choice : choices) {
    RW_ASSIGN(const Json name_json, choice.Get("name"));
    RW_ASSIGN(const std::string_view name, name_json.AsString());
    RW_ASSIGN(const Json text_json, choice.Get("template"));
    RW_ASSIGN(const std::string_view text, text_json.AsString());
    if (name == "default") return std::string(text);
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return Err("{}: expected a template named default, found {}", value->where(),
             names.empty() ? "none" : names);
}

}  // namespace

Result<ModelChat> ModelChat::Load(const std::string& model_dir) {
  namespace fs = std::filesystem;
  const std::string config_path = model_dir + "/tokenizer_config.json";
  const std::string template_path = model_dir + "/chat_template.jinja";
  std::optional<std::string> source;
  std::string name = "tokenizer_config.json: chat_template";
  ChatOptions options;
  if (fs::exists(config_path)) {
    RW_ASSIGN(const JsonDocument config, JsonDocument::Load(config_path));
    RW_ASSIGN(options.bos_token, TokenOf(config.root(), "bos_token"));
    RW_ASSIGN(options.eos_token, TokenOf(config.root(), "eos_token"));
    RW_ASSIGN(source, TemplateOf(config.root()));
  }
  if (fs::exists(template_path)) {
    RW_ASSIGN(source, ReadFile(template_path, kMaxTemplateBytes));
    name = "chat_template.jinja";
  }
  if (!source) {
    return Err(
        "{}: this model has no chat template (no chat_template.jinja, no chat_template in "
        "tokenizer_config.json); it is a base model: use --prompt without --chat",
        model_dir);
  }
  RW_ASSIGN(ChatTemplate chat_template, ChatTemplate::Parse(*std::move(source), std::move(name)));
  return ModelChat(std::move(chat_template), std::move(options));
}

Result<std::string> ModelChat::Render(std::span<const ChatMessage> messages) const {
  return RenderChat(template_, messages, options_);
}

}  // namespace rw
