// A parsed template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/chat_template/value.h"

namespace rw::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind {
  kConstant,     // value
  kName,         // name
  kList,         // parts
  kTuple,        // parts
  kDict,         // parts: key, value, key, value, ...
  kAttribute,    // parts[0] . name
  kItem,         // parts[0] [ parts[1] ]
  kSlice,        // parts[0] [ parts[1] : parts[2] : parts[3] ], null where left out
  kCall,         // parts[0] ( arguments )
  kFilter,       // parts[0] | name ( arguments )
  kTest,         // parts[0] is name ( arguments )
  kArithmetic,   // parts[0] ops[0] parts[1] ops[1] parts[2] ..., from the left
  kConcat,       // parts[0] ~ parts[1] ~ ...
  kAnd,          // parts[0] and parts[1] and ...
  kOr,           // parts[0] or parts[1] or ...
  kNot,          // not parts[0]
  kNegative,     // - parts[0]
  kPositive,     // + parts[0]
  kCompare,      // parts[0] ops[0] parts[1] ops[1] parts[2] ..., each with the next
  kConditional,  // parts[0] if parts[1] else parts[2]; parts[2] may be null
  kBlockText,    // the text a {% filter %} or {% set %} block rendered to
};

enum class Op {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct ArgumentExprs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> keyword;
  ExprPtr star;         // *x
  ExprPtr double_star;  // **x
};

struct Expr {
  ExprKind kind;
  int line = 0;
  int height = 1;  // of the tree below, so that walking it cannot overflow the stack
  std::string name;
  Value value;
  std::vector<ExprPtr> parts;
  std::vector<Op> ops;
  ArgumentExprs arguments;
};

struct Stmt;
using Block = std::vector<Stmt>;

// What is assigned to: a name, namespace.attribute, or a tuple of targets.
struct Target {
  std::string name;
  std::string attribute;
  std::vector<Target> parts;
  bool is_tuple = false;
};

struct TextStmt {
  std::string text;
};
struct OutputStmt {
  ExprPtr value;
};
struct IfStmt {
  struct Branch {
    ExprPtr condition;
    Block body;
  };
  std::vector<Branch> branches;
  Block otherwise;
};
struct ForStmt {
  Target target;
  ExprPtr items;
  ExprPtr condition;  // for x in items if condition; may be null
  Block body;
  Block otherwise;
};
struct SetStmt {
  Target target;
  ExprPtr value;
};
// {% set x %}...{% endset %}; `value` is made of kBlockText.
struct SetBlockStmt {
  Target target;
  ExprPtr value;
  Block body;
};
struct FilterStmt {
  ExprPtr value;  // made of kBlockText
  Block body;
};
struct MacroStmt {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Block body;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};
// {% with a = 1 %}...{% endwith %}, and {% generation %}, which has no bindings.
struct ScopeStmt {
  std::vector<std::pair<Target, ExprPtr>> bindings;
  Block body;
};
struct BreakStmt {};
struct ContinueStmt {};

struct Stmt {
  int line = 0;
  std::variant<TextStmt, OutputStmt, IfStmt, ForStmt, SetStmt, SetBlockStmt, FilterStmt,
               std::unique_ptr<MacroStmt>, ScopeStmt, BreakStmt, ContinueStmt>
      node;
};

// ---- Building expressions.

// Walking a tree recurses, so none is higher than this.
inline constexpr int kMaxHeight = 200;

std::vector<ExprPtr> Parts(ExprPtr first, ExprPtr second = nullptr);
ExprPtr MakeConstant(int line, Value value);
// A new node over `parts`; an error when the tree gets too high.
Result<ExprPtr> MakeExpr(ExprKind kind, int line, std::vector<ExprPtr> parts = {});
// Makes `node` at least one higher than `child`, which is to become a part; null is no part.
Status RaiseOver(Expr& node, const Expr* child);
Status Adopt(Expr& node, ArgumentExprs arguments);

}  // namespace rw::jinja
