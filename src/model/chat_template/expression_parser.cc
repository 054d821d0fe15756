#include "model/chat_template/expression_parser.h"

#include <algorithm>
#include <array>

namespace rw::jinja {
namespace {

struct BinaryOperator {
  std::string_view text;
  Op op;
};

// The ranks of operators that chain from the left, loosest first. "not" and comparisons stand
// between "and" and "+"; Jinja puts "~" between "+" and "*", and "**" chains from the left too.
struct Level {
  ExprKind kind;
  std::array<BinaryOperator, 4> operators;
};
constexpr std::array<Level, 6> kLevels = {{
    {ExprKind::kOr, {{{"or", Op::kAdd}}}},
    {ExprKind::kAnd, {{{"and", Op::kAdd}}}},
    {ExprKind::kArithmetic, {{{"+", Op::kAdd}, {"-", Op::kSubtract}}}},
    {ExprKind::kConcat, {{{"~", Op::kAdd}}}},
    {ExprKind::kArithmetic,
     {{{"*", Op::kMultiply}, {"/", Op::kDivide}, {"//", Op::kFloorDivide}, {"%", Op::kModulo}}}},
    {ExprKind::kArithmetic, {{{"**", Op::kPower}}}},
}};
constexpr int kOrLevel = 0;
constexpr int kAndLevel = 1;
constexpr int kSumLevel = 2;

constexpr std::array<BinaryOperator, 6> kComparisons = {{{"==", Op::kEqual},
                                                         {"!=", Op::kNotEqual},
                                                         {"<", Op::kLess},
                                                         {"<=", Op::kLessEqual},
                                                         {">", Op::kGreater},
                                                         {">=", Op::kGreaterEqual}}};

template <size_t n>
const BinaryOperator* FindOperator(const std::array<BinaryOperator, n>& operators,
                                   const Token& token) {
  if (token.kind != TokenKind::kOperator && token.kind != TokenKind::kName) return nullptr;
  const auto it = std::find_if(operators.begin(), operators.end(), [&](const BinaryOperator& op) {
    return !op.text.empty() && op.text == token.text;
  });
  return it == operators.end() ? nullptr : &*it;
}

}  // namespace

Result<ExprPtr> ExpressionParser::Expression(bool conditional) {
  const Nesting nesting(depth_);
  RW_TRY(nesting.Check());
  return conditional ? Conditional() : Chain(kOrLevel);
}

Result<ExprPtr> ExpressionParser::Conditional() {
  const int line = tokens_.line();
  RW_ASSIGN(ExprPtr node, Chain(kOrLevel));
  while (tokens_.SkipName("if")) {
    RW_ASSIGN(ExprPtr condition, Chain(kOrLevel));
    ExprPtr otherwise;
    if (tokens_.SkipName("else")) {
      RW_ASSIGN(otherwise, Expression());
    }
    std::vector<ExprPtr> parts = Parts(std::move(node), std::move(condition));
    parts.push_back(std::move(otherwise));
    RW_ASSIGN(node, MakeExpr(ExprKind::kConditional, line, std::move(parts)));
  }
  return node;
}

// A chain of operators of one level, over operands of the next.
Result<ExprPtr> ExpressionParser::Chain(int level) {
  const auto operand = [&]() -> Result<ExprPtr> {
    if (level == kAndLevel) return Not();
    if (level + 1 == static_cast<int>(kLevels.size())) return Unary();
    return Chain(level + 1);
  };
  const Level& here = kLevels[static_cast<size_t>(level)];
  const int line = tokens_.line();
  RW_ASSIGN(ExprPtr first, operand());
  const BinaryOperator* found = FindOperator(here.operators, tokens_.Now());
  if (found == nullptr) return first;
  RW_ASSIGN(ExprPtr node, MakeExpr(here.kind, line, Parts(std::move(first))));
  for (; found != nullptr; found = FindOperator(here.operators, tokens_.Now())) {
    tokens_.Next();
    RW_ASSIGN(ExprPtr next, operand());
    RW_TRY(RaiseOver(*node, next.get()));
    node->parts.push_back(std::move(next));
    node->ops.push_back(found->op);
  }
  return node;
}

Result<ExprPtr> ExpressionParser::Not() {
  if (!tokens_.Now().IsName("not")) return Compare();
  const Nesting nesting(depth_);
  RW_TRY(nesting.Check());
  const int line = tokens_.Next().line;
  RW_ASSIGN(ExprPtr operand, Not());
  return MakeExpr(ExprKind::kNot, line, Parts(std::move(operand)));
}

Result<ExprPtr> ExpressionParser::Compare() {
  const int line = tokens_.line();
  RW_ASSIGN(ExprPtr first, Chain(kSumLevel));
  RW_ASSIGN(ExprPtr node, MakeExpr(ExprKind::kCompare, line, Parts(std::move(first))));
  while (true) {
    const BinaryOperator* found = FindOperator(kComparisons, tokens_.Now());
    if (found != nullptr) {
      tokens_.Next();
      node->ops.push_back(found->op);
    } else if (tokens_.SkipName("in")) {
      node->ops.push_back(Op::kIn);
    } else if (tokens_.Now().IsName("not") && tokens_.Ahead().IsName("in")) {
      tokens_.Next();
      tokens_.Next();
      node->ops.push_back(Op::kNotIn);
    } else {
      break;
    }
    RW_ASSIGN(ExprPtr next, Chain(kSumLevel));
    RW_TRY(RaiseOver(*node, next.get()));
    node->parts.push_back(std::move(next));
  }
  if (node->ops.empty()) return std::move(node->parts[0]);
  return node;
}

Result<ExprPtr> ExpressionParser::Unary(bool with_filters) {
  ExprPtr node;
  const bool negative = tokens_.Now().IsOperator("-");
  if (negative || tokens_.Now().IsOperator("+")) {
    const Nesting nesting(depth_);
    RW_TRY(nesting.Check());
    const int line = tokens_.Next().line;
    RW_ASSIGN(ExprPtr operand, Unary(false));
    const ExprKind kind = negative ? ExprKind::kNegative : ExprKind::kPositive;
    RW_ASSIGN(node, MakeExpr(kind, line, Parts(std::move(operand))));
  } else {
    RW_ASSIGN(node, Primary());
  }
  RW_ASSIGN(node, Postfixes(std::move(node)));
  if (!with_filters) return node;
  return FiltersAndTests(std::move(node));
}

Result<ExprPtr> ExpressionParser::Primary() {
  const Token& token = tokens_.Now();
  const int line = token.line;
  switch (token.kind) {
    case TokenKind::kName:
      return NameOrConstant();
    case TokenKind::kString: {
      std::string text;
      while (tokens_.Now().kind == TokenKind::kString) text += tokens_.Next().text;
      return MakeConstant(line, Value::String(std::move(text)));
    }
    case TokenKind::kInteger:
      return MakeConstant(line, Value::Int(tokens_.Next().integer));
    case TokenKind::kFloat:
      return MakeConstant(line, Value::Float(tokens_.Next().number));
    default:
      break;
  }
  if (token.IsOperator("(")) return Parenthesized();
  if (token.IsOperator("[")) return ListLiteral();
  if (token.IsOperator("{")) return DictLiteral();
  return tokens_.Unexpected("an expression");
}

Result<ExprPtr> ExpressionParser::NameOrConstant() {
  const Token token = tokens_.Next();
  if (token.text == "true" || token.text == "True")
    return MakeConstant(token.line, Value::Bool(true));
  if (token.text == "false" || token.text == "False") {
    return MakeConstant(token.line, Value::Bool(false));
  }
  if (token.text == "none" || token.text == "None") return MakeConstant(token.line, Value::None());
  if (token.text == "varargs") saw_varargs = true;
  if (token.text == "kwargs") saw_kwargs = true;
  RW_ASSIGN(ExprPtr node, MakeExpr(ExprKind::kName, token.line));
  node->name = token.text;
  return node;
}

Result<ExprPtr> ExpressionParser::Parenthesized() {
  const int line = tokens_.Next().line;
  if (tokens_.SkipOperator(")")) return MakeExpr(ExprKind::kTuple, line);
  RW_ASSIGN(ExprPtr node, ExpressionOrTuple());
  RW_TRY(tokens_.ExpectOperator(")"));
  return node;
}

bool ExpressionParser::AtTupleEnd() const {
  const TokenKind kind = tokens_.Now().kind;
  return kind == TokenKind::kVariableEnd || kind == TokenKind::kBlockEnd ||
         tokens_.Now().IsOperator(")");
}

Result<ExprPtr> ExpressionParser::ExpressionOrTuple(bool conditional) {
  const int line = tokens_.line();
  RW_ASSIGN(ExprPtr first, Expression(conditional));
  if (!tokens_.Now().IsOperator(",")) return first;
  RW_ASSIGN(ExprPtr tuple, MakeExpr(ExprKind::kTuple, line, Parts(std::move(first))));
  while (tokens_.SkipOperator(",")) {
    if (AtTupleEnd()) break;
    RW_ASSIGN(ExprPtr item, Expression(conditional));
    RW_TRY(RaiseOver(*tuple, item.get()));
    tuple->parts.push_back(std::move(item));
  }
  return tuple;
}

Result<ExprPtr> ExpressionParser::ListLiteral() {
  const int line = tokens_.Next().line;
  std::vector<ExprPtr> items;
  while (!tokens_.Now().IsOperator("]")) {
    if (!items.empty()) RW_TRY(tokens_.ExpectOperator(","));
    if (tokens_.Now().IsOperator("]")) break;
    RW_ASSIGN(ExprPtr item, Expression());
    items.push_back(std::move(item));
  }
  tokens_.Next();
  return MakeExpr(ExprKind::kList, line, std::move(items));
}

Result<ExprPtr> ExpressionParser::DictLiteral() {
  const int line = tokens_.Next().line;
  std::vector<ExprPtr> parts;
  while (!tokens_.Now().IsOperator("}")) {
    if (!parts.empty()) RW_TRY(tokens_.ExpectOperator(","));
    if (tokens_.Now().IsOperator("}")) break;
    RW_ASSIGN(ExprPtr key, Expression());
    RW_TRY(tokens_.ExpectOperator(":"));
    RW_ASSIGN(ExprPtr value, Expression());
    parts.push_back(std::move(key));
    parts.push_back(std::move(value));
  }
  tokens_.Next();
  return MakeExpr(ExprKind::kDict, line, std::move(parts));
}

}  // namespace rw::jinja
