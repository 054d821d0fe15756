// Walks the tree of a template and writes its output.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/chat_template/ast.h"
#include "model/chat_template/builtins.h"
#include "model/chat_template/runtime.h"

namespace rw::jinja {

class Interpreter {
 public:
  // `depth` bounds macros calling macros; `context` is a dict and outlives the interpreter.
  Interpreter(Runtime& runtime, const Value& context, size_t output_bytes, int depth);

  Result<std::string> Run(const Block& body);
  // Where the error that Run returned arose, 0 if nowhere in particular.
  int error_line() const { return error_line_; }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // The variables of one loop's round, macro call or block, inside those of `parent`.
  struct Scope {
    size_t parent = 0;
    uint64_t serial = 0;  // tells this scope from others that stood at the same place
    std::map<std::string_view, Value> variables;
  };

  // Text on its way out, or caught for a variable.
  struct Sink {
    std::string text;
    Charge charge;
    bool captured = false;
  };

  // A scope for as long as the object lives.
  class ScopeGuard;
  class NestingGuard;

  // Statements (eval_statement.cc).
  Result<Flow> Execute(const Block& body);
  Result<Flow> Execute(const Stmt& statement);
  Result<Flow> Do(const TextStmt& node);
  Result<Flow> Do(const OutputStmt& node);
  Result<Flow> Do(const IfStmt& node);
  Result<Flow> Do(const ForStmt& node);
  Result<Flow> Do(const SetStmt& node);
  Result<Flow> Do(const SetBlockStmt& node);
  Result<Flow> Do(const FilterStmt& node);
  Result<Flow> Do(const std::unique_ptr<MacroStmt>& node);
  Result<Flow> Do(const ScopeStmt& node);
  Result<Flow> Do(const BreakStmt&) { return Flow::kBreak; }
  Result<Flow> Do(const ContinueStmt&) { return Flow::kContinue; }
  Result<std::vector<Value>> LoopItems(const ForStmt& node);
  // Runs a body and hands its text over as a string in block_text_.
  Result<Flow> Capture(const Block& body);
  Status Assign(const Target& target, Value value);
  Status Emit(std::string_view text);

  // Expressions (eval_expression.cc).
  Result<Value> Evaluate(const Expr& node);
  Result<Value> Constant(const Expr& node);
  Result<Value> Name(const Expr& node);
  Result<Value> ListOrTuple(const Expr& node);
  Result<Value> DictLiteral(const Expr& node);
  Result<Value> Attribute(const Expr& node);
  Result<Value> Item(const Expr& node);
  Result<Value> Slice(const Expr& node);
  Result<Value> ArithmeticChain(const Expr& node);
  Result<Value> Concat(const Expr& node);
  Result<Value> Logical(const Expr& node);
  Result<Value> Not(const Expr& node);
  Result<Value> Sign(const Expr& node);
  Result<Value> Compare(const Expr& node);
  Result<Value> Conditional(const Expr& node);
  Result<Value> BlockText(const Expr& node);
  Result<Value> Lookup(std::string_view name);

  // Calls (eval_call.cc).
  Result<Value> Call(const Expr& node);
  Result<Value> Filter(const Expr& node);
  Result<Value> Test(const Expr& node);
  Result<CallArguments> EvaluateArguments(const ArgumentExprs& arguments);
  Result<Value> CallMacro(const Callable& callable, CallArguments arguments);
  Status BindMacroArguments(const MacroStmt& macro, CallArguments arguments);
  Status BindExtraArguments(const MacroStmt& macro, CallArguments& arguments);

  Runtime& runtime_;
  const Value& context_;
  const size_t output_bytes_;
  const int max_calls_;
  std::vector<Scope> scopes_;
  size_t scope_ = 0;
  uint64_t next_serial_ = 1;
  Sink output_;
  Sink* sink_ = &output_;
  Value block_text_;
  int calls_ = 0;
  int nesting_ = 0;
  int error_line_ = 0;
};

class Interpreter::ScopeGuard {
 public:
  ScopeGuard(Interpreter& interpreter, size_t parent)
      : interpreter_(interpreter), before_(interpreter.scope_) {
    interpreter.scope_ = interpreter.scopes_.size();
    interpreter.scopes_.push_back({parent, interpreter.next_serial_++, {}});
  }
  ~ScopeGuard() {
    interpreter_.scopes_.pop_back();
    interpreter_.scope_ = before_;
  }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Interpreter& interpreter_;
  size_t before_;
};

// Counts how deep the interpreter recurses, which the stack bounds.
class Interpreter::NestingGuard {
 public:
  explicit NestingGuard(Interpreter& interpreter) : interpreter_(interpreter) {
    ++interpreter_.nesting_;
  }
  ~NestingGuard() { --interpreter_.nesting_; }
  NestingGuard(const NestingGuard&) = delete;
  NestingGuard& operator=(const NestingGuard&) = delete;

  Status Check() const {
    constexpr int kMaxNesting = 600;
    if (interpreter_.nesting_ > kMaxNesting) {
      return Err("the template nests more than {} deep while it runs", kMaxNesting);
    }
    return {};
  }

 private:
  Interpreter& interpreter_;
};

}  // namespace rw::jinja
