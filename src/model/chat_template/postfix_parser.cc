// What follows an operand: attributes, subscripts, calls, filters and tests (ExpressionParser).
#include "model/chat_template/expression_parser.h"

namespace rw::jinja {

Result<ExprPtr> ExpressionParser::BlockFilters() {
  RW_ASSIGN(ExprPtr node, MakeExpr(ExprKind::kBlockText, tokens_.line()));
  do {
    RW_ASSIGN(node, Filter(std::move(node)));
  } while (tokens_.SkipOperator("|"));
  return node;
}

Result<ExprPtr> ExpressionParser::FiltersAndTests(ExprPtr subject) {
  while (true) {
    if (tokens_.SkipOperator("|")) {
      RW_ASSIGN(subject, Filter(std::move(subject)));
    } else if (tokens_.Now().IsName("is")) {
      RW_ASSIGN(subject, Test(std::move(subject)));
    } else if (tokens_.Now().IsOperator("(")) {
      RW_ASSIGN(subject, Call(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Result<std::string> ExpressionParser::DottedName() {
  RW_ASSIGN(std::string name, tokens_.ExpectName());
  while (tokens_.SkipOperator(".")) {
    RW_ASSIGN(const std::string part, tokens_.ExpectName());
    name += "." + part;
  }
  return name;
}

Result<ExprPtr> ExpressionParser::Filter(ExprPtr subject) {
  const int line = tokens_.line();
  RW_ASSIGN(ExprPtr node, MakeExpr(ExprKind::kFilter, line, Parts(std::move(subject))));
  RW_ASSIGN(node->name, DottedName());
  if (tokens_.Now().IsOperator("(")) {
    RW_ASSIGN(ArgumentExprs arguments, Arguments());
    RW_TRY(Adopt(*node, std::move(arguments)));
  }
  return node;
}

Result<ExprPtr> ExpressionParser::Test(ExprPtr subject) {
  const int line = tokens_.Next().line;
  const bool negated = tokens_.SkipName("not");
  RW_ASSIGN(ExprPtr node, MakeExpr(ExprKind::kTest, line, Parts(std::move(subject))));
  RW_ASSIGN(node->name, DottedName());
  const Token& next = tokens_.Now();
  const bool value_follows = next.kind == TokenKind::kName || next.kind == TokenKind::kString ||
                             next.kind == TokenKind::kInteger || next.kind == TokenKind::kFloat ||
                             next.IsOperator("[") || next.IsOperator("{");
  if (next.IsOperator("(")) {
    RW_ASSIGN(ArgumentExprs arguments, Arguments());
    RW_TRY(Adopt(*node, std::move(arguments)));
  } else if (next.IsName("is")) {
    return Err("tests with 'is' cannot be chained");
  } else if (value_follows && !next.IsName("else") && !next.IsName("or") && !next.IsName("and")) {
    const Nesting nesting(depth_);
    RW_TRY(nesting.Check());
    RW_ASSIGN(ExprPtr argument, Primary());
    RW_ASSIGN(argument, Postfixes(std::move(argument)));
    ArgumentExprs arguments;
    arguments.positional.push_back(std::move(argument));
    RW_TRY(Adopt(*node, std::move(arguments)));
  }
  if (!negated) return node;
  return MakeExpr(ExprKind::kNot, line, Parts(std::move(node)));
}

Result<ExprPtr> ExpressionParser::Postfixes(ExprPtr subject) {
  while (true) {
    if (tokens_.Now().IsOperator(".")) {
      RW_ASSIGN(subject, Attribute(std::move(subject)));
    } else if (tokens_.Now().IsOperator("[")) {
      RW_ASSIGN(subject, Subscript(std::move(subject)));
    } else if (tokens_.Now().IsOperator("(")) {
      RW_ASSIGN(subject, Call(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Result<ExprPtr> ExpressionParser::Attribute(ExprPtr subject) {
  const int line = tokens_.Next().line;
  if (tokens_.Now().kind == TokenKind::kInteger) {
    ExprPtr index = MakeConstant(line, Value::Int(tokens_.Next().integer));
    return MakeExpr(ExprKind::kItem, line, Parts(std::move(subject), std::move(index)));
  }
  RW_ASSIGN(ExprPtr node, MakeExpr(ExprKind::kAttribute, line, Parts(std::move(subject))));
  RW_ASSIGN(node->name, tokens_.ExpectName());
  return node;
}

Result<ExprPtr> ExpressionParser::Subscript(ExprPtr subject) {
  const int line = tokens_.Next().line;
  if (tokens_.Now().IsOperator(":")) return Slice(std::move(subject), nullptr, line);
  RW_ASSIGN(ExprPtr index, ExpressionOrTuple());
  if (tokens_.Now().IsOperator(":")) return Slice(std::move(subject), std::move(index), line);
  RW_TRY(tokens_.ExpectOperator("]"));
  return MakeExpr(ExprKind::kItem, line, Parts(std::move(subject), std::move(index)));
}

// From the ":" after `start` to the "]".
Result<ExprPtr> ExpressionParser::Slice(ExprPtr subject, ExprPtr start, int line) {
  std::vector<ExprPtr> parts = Parts(std::move(subject));
  parts.push_back(std::move(start));
  for (int bound = 0; bound < 2; ++bound) {
    ExprPtr value;
    if (tokens_.SkipOperator(":") && !tokens_.Now().IsOperator(":") &&
        !tokens_.Now().IsOperator("]")) {
      RW_ASSIGN(value, Expression());
    }
    parts.push_back(std::move(value));
  }
  RW_TRY(tokens_.ExpectOperator("]"));
  return MakeExpr(ExprKind::kSlice, line, std::move(parts));
}

Result<ExprPtr> ExpressionParser::Call(ExprPtr subject) {
  RW_ASSIGN(ExprPtr node, MakeExpr(ExprKind::kCall, tokens_.line(), Parts(std::move(subject))));
  RW_ASSIGN(ArgumentExprs arguments, Arguments());
  RW_TRY(Adopt(*node, std::move(arguments)));
  return node;
}

Result<ArgumentExprs> ExpressionParser::Arguments() {
  RW_TRY(tokens_.ExpectOperator("("));
  ArgumentExprs arguments;
  bool first = true;
  while (!tokens_.Now().IsOperator(")")) {
    if (!first) RW_TRY(tokens_.ExpectOperator(","));
    first = false;
    if (tokens_.Now().IsOperator(")")) break;
    RW_TRY(Argument(arguments));
  }
  tokens_.Next();
  return arguments;
}

Status ExpressionParser::Argument(ArgumentExprs& arguments) {
  const bool star = tokens_.SkipOperator("*");
  const bool double_star = !star && tokens_.SkipOperator("**");
  const bool keyword = !star && !double_star && tokens_.Now().kind == TokenKind::kName &&
                       tokens_.Ahead().IsOperator("=");
  std::string name;
  if (keyword) {
    name = tokens_.Next().text;
    tokens_.Next();
  }
  RW_ASSIGN(ExprPtr value, Expression());
  const bool positional = !star && !double_star && !keyword;
  const bool misplaced = arguments.double_star != nullptr || (star && arguments.star != nullptr) ||
                         (positional && (arguments.star != nullptr || !arguments.keyword.empty()));
  if (misplaced) return Err("the arguments of a call stand in the wrong order");
  if (star) {
    arguments.star = std::move(value);
  } else if (double_star) {
    arguments.double_star = std::move(value);
  } else if (keyword) {
    arguments.keyword.emplace_back(std::move(name), std::move(value));
  } else {
    arguments.positional.push_back(std::move(value));
  }
  return {};
}

}  // namespace rw::jinja
