// A model on disk: a Hugging Face folder, or a GGUF file that holds all of it.
#pragma once

#include <string>

#include "base/status.h"
#include "model/tokenizer/tokenizer.h"

namespace rw {

// Whether there is a model of that name at all; an error that says what to give instead if not.
Status CheckModel(const std::string& model);

// Of a folder's tokenizer.json, or of a GGUF file.
//
// LoadModelConfig (config.h) and LoadModelChatTemplate (chat_template/model_chat_template.h) take
// either too; weights of a folder are a Checkpoint, of a file a GgufModel.
Result<Tokenizer> LoadTokenizer(const std::string& model);

}  // namespace rw
