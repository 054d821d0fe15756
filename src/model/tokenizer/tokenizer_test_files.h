// Small tokenizer.json texts for tests.
#pragma once

#include <string>

#include "model/tokenizer/tokenizer.h"

namespace rw::tok {

inline Result<Tokenizer> LoadText(const std::string& text) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Parse(text, "tokenizer.json"));
  return Tokenizer::FromJson(document.root());
}

// `options` are further members of the model, with a comma in front.
inline std::string BpeJson(const std::string& vocab, const std::string& merges,
                           const std::string& added = "[]", const std::string& options = "") {
  return R"({"added_tokens": )" + added + R"(, "model": {"type": "BPE", "vocab": )" + vocab +
         R"(, "merges": )" + merges + options + "}}";
}

}  // namespace rw::tok
