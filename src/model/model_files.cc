#include "model/model_files.h"

#include <filesystem>

#include "model/gguf_tokenizer.h"
#include "model/model_dir.h"
#include "model/safetensors_lexer.h"

namespace rw {

Status CheckModel(const std::string& model) {
  std::error_code error;
  if (!std::filesystem::exists(model, error)) {
    return Err("{}: expected a model folder or a GGUF file, found nothing of that name", model);
  }
  if (IsGgufFile(model) || HasModelFile(model, "config.json")) return {};
  RW_ASSIGN(const std::vector<std::string> files, ListModelDir(model));
  std::vector<std::string> gguf;
  for (const std::string& file : files) {
    if (file.ends_with(".gguf")) gguf.push_back(file);
  }
  if (gguf.size() == 1) {
    return Err("{0}: expected config.json, found the GGUF file {1}: give its path, {0}/{1}", model,
               gguf[0]);
  }
  if (!gguf.empty()) {
    return Err("{}: expected config.json, found {} GGUF files: give the path of one, such as {}",
               model, gguf.size(), QuoteName(gguf[0]));
  }
  return {};  // what is missing, its reader says
}

Result<Tokenizer> LoadTokenizer(const std::string& model) {
  if (!IsGgufFile(model)) return Tokenizer::Load(model + "/tokenizer.json");
  RW_ASSIGN(const GgufModel gguf, GgufModel::Open(model));
  return GgufTokenizer(gguf);
}

}  // namespace rw
