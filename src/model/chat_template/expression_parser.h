// Expressions, with Jinja's grammar: its operators' ranks are not quite Python's.
#pragma once

#include <string>

#include "model/chat_template/ast.h"
#include "model/chat_template/token_stream.h"

namespace rw::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  // One expression; without `conditional`, no "a if b else c" at its top.
  Result<ExprPtr> Expression(bool conditional = true);
  // One expression, or several with commas between, which are a tuple.
  Result<ExprPtr> ExpressionOrTuple(bool conditional = true);
  // "f(x)|g" as after {% filter ... %} or {% set x | ... %}: applied to kBlockText.
  Result<ExprPtr> BlockFilters();

  // Counts all nesting, of statements too.
  int& depth() { return depth_; }
  // The names "varargs" and "kwargs" were read: of interest to the macro around.
  bool saw_varargs = false;
  bool saw_kwargs = false;

 private:
  Result<ExprPtr> Conditional();
  Result<ExprPtr> Chain(int level);
  Result<ExprPtr> Not();
  Result<ExprPtr> Compare();
  Result<ExprPtr> Unary(bool with_filters = true);
  Result<ExprPtr> Primary();
  Result<ExprPtr> Parenthesized();
  Result<ExprPtr> ListLiteral();
  Result<ExprPtr> DictLiteral();
  Result<ExprPtr> NameOrConstant();
  Result<ExprPtr> Postfixes(ExprPtr subject);
  Result<ExprPtr> Attribute(ExprPtr subject);
  Result<ExprPtr> Subscript(ExprPtr subject);
  Result<ExprPtr> Slice(ExprPtr subject, ExprPtr start, int line);
  Result<ExprPtr> Call(ExprPtr subject);
  Result<ExprPtr> FiltersAndTests(ExprPtr subject);
  Result<ExprPtr> Filter(ExprPtr subject);
  Result<ExprPtr> Test(ExprPtr subject);
  Result<ArgumentExprs> Arguments();
  Status Argument(ArgumentExprs& arguments);
  Result<std::string> DottedName();
  bool AtTupleEnd() const;

  TokenStream& tokens_;
  int depth_ = 0;
};

}  // namespace rw::jinja
