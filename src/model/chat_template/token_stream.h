// The tokens of a template as its parser reads them, and the parser's count of how deep it is.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/chat_template/lexer.h"
#include "model/chat_template/parser.h"

namespace rw::jinja {

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& Now() const { return tokens_[at_]; }
  const Token& Ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  int line() const { return Now().line; }

  // The current token; the stream moves to the next. It stays on the last, kEnd.
  Token Next() {
    if (at_ + 1 == tokens_.size()) return tokens_[at_];
    return std::move(tokens_[at_++]);
  }
  bool SkipName(std::string_view name) { return Skip(Now().IsName(name)); }
  bool SkipOperator(std::string_view op) { return Skip(Now().IsOperator(op)); }

  Status ExpectOperator(std::string_view op) {
    if (SkipOperator(op)) return {};
    return Unexpected(fmt::format("'{}'", op));
  }
  Result<std::string> ExpectName() {
    if (Now().kind != TokenKind::kName) return Unexpected("a name");
    return Next().text;
  }
  Status Expect(TokenKind kind, std::string_view wanted) {
    if (!Skip(Now().kind == kind)) return Unexpected(wanted);
    return {};
  }
  tl::unexpected<Error> Unexpected(std::string_view wanted) const {
    return Err("expected {}, found {}", wanted, Now().Describe());
  }

 private:
  bool Skip(bool skip) {
    if (skip) Next();
    return skip;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
};

// One level of recursion in the parser.
class Nesting {
 public:
  explicit Nesting(int& depth) : depth_(++depth) {}
  ~Nesting() { --depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

  Status Check() const {
    if (depth_ > kMaxNesting) return Err("the template nests more than {} deep", kMaxNesting);
    return {};
  }

 private:
  int& depth_;
};

}  // namespace rw::jinja
