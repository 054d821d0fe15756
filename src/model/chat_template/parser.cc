#include "model/chat_template/parser.h"

#include <algorithm>

#include "model/chat_template/builtins.h"
#include "model/chat_template/expression_parser.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

// An unknown filter or test is refused before anything runs, except where a condition may keep the
// template from reaching it.
Status CheckNames(const Expr& node, bool conditional) {
  conditional = conditional || node.kind == ExprKind::kConditional;
  if (!conditional && node.kind == ExprKind::kFilter && FindFilter(node.name) == nullptr) {
    return Err("there is no filter '{}' here", node.name);
  }
  if (!conditional && node.kind == ExprKind::kTest && FindTest(node.name) == nullptr) {
    return Err("there is no test '{}' here", node.name);
  }
  const auto check = [&](const ExprPtr& part) -> Status {
    return part == nullptr ? Status{} : CheckNames(*part, conditional);
  };
  for (const ExprPtr& part : node.parts) RW_TRY(check(part));
  for (const ExprPtr& part : node.arguments.positional) RW_TRY(check(part));
  for (const auto& [name, part] : node.arguments.keyword) RW_TRY(check(part));
  RW_TRY(check(node.arguments.star));
  return check(node.arguments.double_star);
}

class Parser {
 public:
  explicit Parser(TokenStream& tokens) : tokens_(tokens), expressions_(tokens) {}

  Result<Block> Template() {
    std::string end;
    return Body({}, end);
  }

 private:
  using Names = std::initializer_list<std::string_view>;

  // Statements up to a tag that starts with one of `ends` (or, without any, up to the end); that
  // name, already read, is left in `end`.
  Result<Block> Body(Names ends, std::string& end) {
    const Nesting nesting(expressions_.depth());
    RW_TRY(nesting.Check());
    Block body;
    while (true) {
      const Token token = tokens_.Next();
      switch (token.kind) {
        case TokenKind::kEnd:
          if (ends.size() == 0) return body;
          return Err("'{{% {} %}}' is missing at the end of the template", *(ends.end() - 1));
        case TokenKind::kText:
          body.push_back({token.line, TextStmt{token.text}});
          break;
        case TokenKind::kVariableBegin: {
          RW_ASSIGN(ExprPtr value, Checked(expressions_.ExpressionOrTuple()));
          RW_TRY(tokens_.Expect(TokenKind::kVariableEnd, "'}}'"));
          body.push_back({token.line, OutputStmt{std::move(value)}});
          break;
        }
        default: {
          RW_ASSIGN(const std::string name, tokens_.ExpectName());
          if (std::find(ends.begin(), ends.end(), name) != ends.end()) {
            end = name;
            return body;
          }
          RW_TRY(Statement(name, token.line, body));
          RW_TRY(EndTag());
        }
      }
    }
  }

  Result<ExprPtr> Checked(Result<ExprPtr> expression) {
    if (expression) RW_TRY(CheckNames(**expression, conditions_ > 0));
    return expression;
  }

  Status EndTag() { return tokens_.Expect(TokenKind::kBlockEnd, "'%}'"); }

  // The end of a tag that a body follows. Jinja lets a ":" stand there, as in Python.
  Status OpenBody() {
    tokens_.SkipOperator(":");
    return EndTag();
  }

  // The body of a block whose opening tag ends here, up to and with the name of its end tag.
  Result<Block> BodyUntil(std::string_view end_name) {
    RW_TRY(OpenBody());
    std::string end;
    return Body({end_name}, end);
  }

  Status Statement(const std::string& name, int line, Block& body) {
    using Parse = Status (Parser::*)(Stmt&);
    struct Entry {
      std::string_view name;
      Parse parse;
    };
    static constexpr Entry kStatements[] = {
        {"if", &Parser::If},       {"for", &Parser::For},       {"set", &Parser::Set},
        {"macro", &Parser::Macro}, {"filter", &Parser::Filter}, {"generation", &Parser::Generation},
        {"with", &Parser::With},   {"break", &Parser::Break},   {"continue", &Parser::Continue}};
    for (const Entry& entry : kStatements) {
      if (entry.name != name) continue;
      Stmt statement;
      statement.line = line;
      RW_TRY((this->*entry.parse)(statement));
      body.push_back(std::move(statement));
      return {};
    }
    constexpr std::string_view kRefused[] = {"include", "import", "from",       "extends", "block",
                                             "call",    "do",     "autoescape", "print"};
    if (std::find(std::begin(kRefused), std::end(kRefused), name) != std::end(kRefused)) {
      return Err("'{{% {} %}}' is not supported in chat templates", name);
    }
    return Err("'{{% {} %}}' is no statement that may stand here", name.substr(0, 40));
  }

  Status If(Stmt& statement) {
    IfStmt node;
    std::string end;
    ++conditions_;
    do {
      RW_ASSIGN(ExprPtr condition, Checked(expressions_.ExpressionOrTuple(false)));
      RW_TRY(OpenBody());
      RW_ASSIGN(Block body, Body({"elif", "else", "endif"}, end));
      node.branches.push_back({std::move(condition), std::move(body)});
    } while (end == "elif");
    if (end == "else") {
      RW_ASSIGN(node.otherwise, BodyUntil("endif"));
    }
    --conditions_;
    statement.node = std::move(node);
    return {};
  }

  Status For(Stmt& statement) {
    ForStmt node;
    RW_ASSIGN(node.target, ParseTarget(/*with_attribute=*/false));
    if (!tokens_.SkipName("in")) return tokens_.Unexpected("'in'");
    RW_ASSIGN(node.items, Checked(expressions_.ExpressionOrTuple(false)));
    if (tokens_.SkipName("if")) {
      RW_ASSIGN(node.condition, Checked(expressions_.Expression()));
    }
    if (tokens_.Now().IsName("recursive")) return Err("recursive loops are not supported");
    RW_TRY(OpenBody());
    std::string end;
    ++loops_;
    RW_ASSIGN(node.body, Body({"else", "endfor"}, end));
    --loops_;
    if (end == "else") {
      RW_ASSIGN(node.otherwise, BodyUntil("endfor"));
    }
    statement.node = std::move(node);
    return {};
  }

  Status Set(Stmt& statement) {
    RW_ASSIGN(Target target, ParseTarget(/*with_attribute=*/true));
    if (tokens_.SkipOperator("=")) {
      RW_ASSIGN(ExprPtr value, Checked(expressions_.ExpressionOrTuple()));
      statement.node = SetStmt{std::move(target), std::move(value)};
      return {};
    }
    SetBlockStmt node;
    node.target = std::move(target);
    if (tokens_.SkipOperator("|")) {
      RW_ASSIGN(node.value, Checked(expressions_.BlockFilters()));
    } else {
      RW_ASSIGN(node.value, MakeExpr(ExprKind::kBlockText, statement.line));
    }
    RW_ASSIGN(node.body, BodyUntil("endset"));
    statement.node = std::move(node);
    return {};
  }

  Status Filter(Stmt& statement) {
    FilterStmt node;
    RW_ASSIGN(node.value, Checked(expressions_.BlockFilters()));
    RW_ASSIGN(node.body, BodyUntil("endfilter"));
    statement.node = std::move(node);
    return {};
  }

  Status Macro(Stmt& statement) {
    auto node = std::make_unique<MacroStmt>();
    RW_ASSIGN(node->name, tokens_.ExpectName());
    RW_TRY(Parameters(*node));
    // What stands inside belongs to the macro alone: loops around it cannot be left from there.
    const int loops_around = std::exchange(loops_, 0);
    const bool varargs_around = std::exchange(expressions_.saw_varargs, false);
    const bool kwargs_around = std::exchange(expressions_.saw_kwargs, false);
    RW_ASSIGN(node->body, BodyUntil("endmacro"));
    loops_ = loops_around;
    node->uses_varargs = std::exchange(expressions_.saw_varargs, varargs_around);
    node->uses_kwargs = std::exchange(expressions_.saw_kwargs, kwargs_around);
    statement.node = std::move(node);
    return {};
  }

  Status Parameters(MacroStmt& macro) {
    RW_TRY(tokens_.ExpectOperator("("));
    while (!tokens_.Now().IsOperator(")")) {
      if (!macro.parameters.empty()) RW_TRY(tokens_.ExpectOperator(","));
      RW_ASSIGN(std::string name, tokens_.ExpectName());
      if (tokens_.SkipOperator("=")) {
        RW_ASSIGN(ExprPtr value, Checked(expressions_.Expression()));
        macro.defaults.push_back(std::move(value));
      } else if (!macro.defaults.empty()) {
        return Err("parameter '{}' needs a default, since one before it has one", name);
      }
      macro.parameters.push_back(std::move(name));
    }
    tokens_.Next();
    return {};
  }

  // Marks the assistant's part for training; it renders to what it holds.
  Status Generation(Stmt& statement) {
    ScopeStmt node;
    const int loops_around = std::exchange(loops_, 0);
    RW_ASSIGN(node.body, BodyUntil("endgeneration"));
    loops_ = loops_around;
    statement.node = std::move(node);
    return {};
  }

  Status With(Stmt& statement) {
    ScopeStmt node;
    while (tokens_.Now().kind != TokenKind::kBlockEnd) {
      if (!node.bindings.empty()) RW_TRY(tokens_.ExpectOperator(","));
      RW_ASSIGN(Target target, SingleTarget(/*with_attribute=*/false));
      RW_TRY(tokens_.ExpectOperator("="));
      RW_ASSIGN(ExprPtr value, Checked(expressions_.Expression()));
      node.bindings.emplace_back(std::move(target), std::move(value));
    }
    RW_ASSIGN(node.body, BodyUntil("endwith"));
    statement.node = std::move(node);
    return {};
  }

  Status Break(Stmt& statement) {
    if (loops_ == 0) return Err("'{{% break %}}' stands outside of any loop");
    statement.node = BreakStmt{};
    return {};
  }

  Status Continue(Stmt& statement) {
    if (loops_ == 0) return Err("'{{% continue %}}' stands outside of any loop");
    statement.node = ContinueStmt{};
    return {};
  }

  // One target, or several with commas between.
  Result<Target> ParseTarget(bool with_attribute) {
    RW_ASSIGN(Target first, SingleTarget(with_attribute));
    if (!tokens_.Now().IsOperator(",")) return first;
    Target tuple;
    tuple.is_tuple = true;
    tuple.parts.push_back(std::move(first));
    while (tokens_.SkipOperator(",")) {
      const Token& next = tokens_.Now();
      if (next.kind != TokenKind::kName && !next.IsOperator("(")) break;
      if (next.IsName("in")) break;
      RW_ASSIGN(Target part, SingleTarget(with_attribute));
      tuple.parts.push_back(std::move(part));
    }
    return tuple;
  }

  Result<Target> SingleTarget(bool with_attribute) {
    const Nesting nesting(expressions_.depth());
    RW_TRY(nesting.Check());
    if (tokens_.SkipOperator("(")) {
      RW_ASSIGN(Target target, ParseTarget(with_attribute));
      RW_TRY(tokens_.ExpectOperator(")"));
      return target;
    }
    Target target;
    RW_ASSIGN(target.name, tokens_.ExpectName());
    constexpr std::string_view kConstants[] = {"true", "True", "false", "False", "none", "None"};
    if (std::find(std::begin(kConstants), std::end(kConstants), target.name) !=
        std::end(kConstants)) {
      return Err("'{}' cannot be assigned to", target.name);
    }
    if (with_attribute && tokens_.SkipOperator(".")) {
      RW_ASSIGN(target.attribute, tokens_.ExpectName());
    }
    return target;
  }

  TokenStream& tokens_;
  ExpressionParser expressions_;
  int conditions_ = 0;
  int loops_ = 0;
};

}  // namespace

Result<Block> ParseTemplate(std::string_view source, const std::string& name) {
  if (source.size() > kMaxSourceBytes) {
    return Err("{}: expected a template of at most {} bytes, found {}", name, kMaxSourceBytes,
               source.size());
  }
  if (!ValidUtf8(source)) return Err("{}: expected UTF-8, found other bytes", name);
  int line = 1;
  auto tokens = Tokenize(source, line);
  if (!tokens) return Err("{}:{}: {}", name, line, tokens.error().message);
  TokenStream stream(*std::move(tokens));
  auto body = Parser(stream).Template();
  if (!body) return Err("{}:{}: {}", name, stream.line(), body.error().message);
  return body;
}

}  // namespace rw::jinja
