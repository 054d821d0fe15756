#include <algorithm>
#include <optional>
#include <utility>

#include "base/file.h"
#include "model/config.h"
#include "model/gguf_config.h"
#include "model/model_dir.h"

namespace rw {
namespace {

constexpr size_t kMaxConfigBytes = size_t{4} << 20;

// Python writes NaN and Infinity, which JSON does not have: names the key that holds one, or
// nothing if the text is bad for another reason.
std::optional<Error> NamePythonNumber(std::string_view text, const std::string& shown) {
  std::string_view last_string;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      const size_t from = i + 1;
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\';
      last_string = text.substr(from, std::min(i, text.size()) - from);
      continue;
    }
    for (const std::string_view bad : {"NaN", "Infinity", "-Infinity"}) {
      if (text.substr(i).starts_with(bad)) {
        return Error{fmt::format("{}: {}: expected a finite number, found {}", shown,
                                 last_string.substr(0, 80), bad)};
      }
    }
  }
  return std::nullopt;
}

Result<JsonDocument> LoadJson(const std::string& model_dir, const std::string& file) {
  RW_ASSIGN(const std::string path, ResolveModelFile(model_dir, file));
  const std::string shown = model_dir + "/" + file;
  RW_ASSIGN(const std::string text, ReadFile(path, kMaxConfigBytes));
  auto document = JsonDocument::Parse(text, shown);
  if (document) return document;
  if (auto named = NamePythonNumber(text, shown)) return tl::unexpected<Error>(*std::move(named));
  return document;
}

Result<ModelConfig> LoadFromFolder(const std::string& model_dir) {
  RW_ASSIGN(const JsonDocument document, LoadJson(model_dir, "config.json"));
  if (!HasModelFile(model_dir, "generation_config.json")) return ParseModelConfig(document.root());
  RW_ASSIGN(const JsonDocument generation, LoadJson(model_dir, "generation_config.json"));
  const Json generation_root = generation.root();
  return ParseModelConfig(document.root(), &generation_root);
}

}  // namespace

Result<ModelConfig> LoadModelConfig(const std::string& model) {
  if (IsGgufFile(model)) {
    RW_ASSIGN(const GgufModel gguf, GgufModel::Open(model));
    return GgufModelConfig(gguf);
  }
  return LoadFromFolder(model);
}

}  // namespace rw
