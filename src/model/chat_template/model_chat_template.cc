#include "model/chat_template/model_chat_template.h"

#include <vector>

#include "base/file.h"
#include "model/chat_template/parser.h"
#include "model/gguf_tokenizer.h"
#include "model/model_dir.h"

namespace rw {
namespace {

constexpr char kTemplateFile[] = "chat_template.jinja";
constexpr char kConfigFile[] = "tokenizer_config.json";
constexpr size_t kMaxConfigBytes = size_t{64} << 20;  // it may list every added token

// A special token is a string, or an object with its text as "content"; null is none.
Result<std::optional<std::string>> SpecialToken(const Json& config, std::string_view key) {
  const std::optional<Json> token = config.Find(key);
  if (!token || token->is_null()) return std::nullopt;
  if (token->is_string()) return token->AsString().map([](auto s) { return std::string(s); });
  if (!token->is_object()) return token->Expected("a string, an object or null");
  RW_ASSIGN(const Json content, token->Get("content"));
  return content.AsString().map([](auto s) { return std::string(s); });
}

// The template called "default" in a list of {"name": ..., "template": ...}.
Result<std::string> DefaultOf(const Json& list) {
  std::optional<std::string> found;
  std::string names;
  RW_TRY(list.ForEachElement([&](size_t, const Json& entry) -> Status {
    RW_ASSIGN(const Json name_field, entry.Get("name"));
    RW_ASSIGN(const std::string_view name, name_field.AsString());
    RW_ASSIGN(const Json text_field, entry.Get("template"));
    RW_ASSIGN(const std::string_view text, text_field.AsString());
    if (name == "default") found = std::string(text);
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name.substr(0, 40));
    return {};
  }));
  if (found) return *std::move(found);
  return list.Expected(fmt::format("a template named \"default\" among {}", names.substr(0, 200)));
}

Result<std::optional<std::string>> TemplateOf(const Json& config) {
  const std::optional<Json> field = config.Find("chat_template");
  if (!field || field->is_null()) return std::nullopt;
  if (field->is_array()) return DefaultOf(*field);
  if (!field->is_string()) return field->Expected("a string or a list of templates");
  return field->AsString().map([](auto s) { return std::string(s); });
}

constexpr char kGgufKey[] = "tokenizer.chat_template";

Result<ModelChatTemplate> OfGguf(const GgufModel& model) {
  const auto source = model.Find(kGgufKey);
  if (!source) {
    return Err(
        "{}: this model has no chat template (no {}): it is made to continue text, so give it a "
        "plain prompt, or take a file of its chat variant",
        model.name(), kGgufKey);
  }
  RW_ASSIGN(const std::string_view text, source->AsString());
  RW_ASSIGN(ChatTemplate chat_template, ChatTemplate::Parse(std::string(text), kGgufKey));
  RW_ASSIGN(std::optional<std::string> bos, GgufSpecialToken(model, "bos_token_id"));
  RW_ASSIGN(std::optional<std::string> eos, GgufSpecialToken(model, "eos_token_id"));
  return ModelChatTemplate{std::move(chat_template), std::move(bos), std::move(eos)};
}

Result<ModelChatTemplate> OfFolder(const std::string& model_dir) {
  std::optional<std::string> source;
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::string name = kConfigFile + std::string(" chat_template");
  if (HasModelFile(model_dir, kConfigFile)) {
    RW_ASSIGN(const std::string path, ResolveModelFile(model_dir, kConfigFile));
    RW_ASSIGN(const JsonDocument document, JsonDocument::Load(path, kMaxConfigBytes));
    RW_ASSIGN(bos_token, SpecialToken(document.root(), "bos_token"));
    RW_ASSIGN(eos_token, SpecialToken(document.root(), "eos_token"));
    if (!HasModelFile(model_dir, kTemplateFile)) {
      RW_ASSIGN(source, TemplateOf(document.root()));
    }
  }
  if (HasModelFile(model_dir, kTemplateFile)) {
    RW_ASSIGN(const std::string path, ResolveModelFile(model_dir, kTemplateFile));
    RW_ASSIGN(source, ReadFile(path, jinja::kMaxSourceBytes));
    name = kTemplateFile;
  }
  if (!source) {
    return Err(
        "{}: this model has no chat template (no {}, no chat_template in {}): it is made to "
        "continue "
        "text, so give it a plain prompt, or put the {} of its chat variant into the folder",
        model_dir, kTemplateFile, kConfigFile, kTemplateFile);
  }
  RW_ASSIGN(ChatTemplate chat_template, ChatTemplate::Parse(*source, std::move(name)));
  return ModelChatTemplate{std::move(chat_template), std::move(bos_token), std::move(eos_token)};
}

}  // namespace

Result<ModelChatTemplate> LoadModelChatTemplate(const std::string& model) {
  if (!IsGgufFile(model)) return OfFolder(model);
  RW_ASSIGN(const GgufModel gguf, GgufModel::Open(model));
  return OfGguf(gguf);
}

}  // namespace rw
