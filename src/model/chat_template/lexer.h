// Splits a template into text and the tokens of its tags, with Jinja's white space rules as
// transformers sets them: trim_blocks, lstrip_blocks, no newline kept at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rw::jinja {

enum class TokenKind {
  kText,        // text: the template text
  kBlockBegin,  // {%
  kBlockEnd,
  kVariableBegin,  // {{
  kVariableEnd,
  kName,
  kString,   // text: the value, escapes resolved
  kInteger,  // integer
  kFloat,    // number
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 1;
  std::string text;
  int64_t integer = 0;
  double number = 0;

  bool Is(TokenKind wanted, std::string_view wanted_text) const {
    return kind == wanted && text == wanted_text;
  }
  bool IsName(std::string_view name) const { return Is(TokenKind::kName, name); }
  bool IsOperator(std::string_view op) const { return Is(TokenKind::kOperator, op); }
  std::string Describe() const;  // for messages
};

// The last token is kEnd. On an error, `error_line` is its line.
Result<std::vector<Token>> Tokenize(std::string_view source, int& error_line);

}  // namespace rw::jinja
