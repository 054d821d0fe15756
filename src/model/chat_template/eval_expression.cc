#include "model/chat_template/access.h"
#include "model/chat_template/interpreter.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/print.h"

namespace rw::jinja {

// Each kind has a function of its own, which keeps the stack frames of this recursion small.
Result<Value> Interpreter::Evaluate(const Expr& node) {
  using Function = Result<Value> (Interpreter::*)(const Expr&);
  static constexpr Function kFunctions[] = {
      &Interpreter::Constant,         // kConstant
      &Interpreter::Name,             // kName
      &Interpreter::ListOrTuple,      // kList
      &Interpreter::ListOrTuple,      // kTuple
      &Interpreter::DictLiteral,      // kDict
      &Interpreter::Attribute,        // kAttribute
      &Interpreter::Item,             // kItem
      &Interpreter::Slice,            // kSlice
      &Interpreter::Call,             // kCall
      &Interpreter::Filter,           // kFilter
      &Interpreter::Test,             // kTest
      &Interpreter::ArithmeticChain,  // kArithmetic
      &Interpreter::Concat,           // kConcat
      &Interpreter::Logical,          // kAnd
      &Interpreter::Logical,          // kOr
      &Interpreter::Not,              // kNot
      &Interpreter::Sign,             // kNegative
      &Interpreter::Sign,             // kPositive
      &Interpreter::Compare,          // kCompare
      &Interpreter::Conditional,      // kConditional
      &Interpreter::BlockText,        // kBlockText
  };
  const NestingGuard nesting(*this);
  RW_TRY(nesting.Check());
  RW_TRY(runtime_.meter().Step());
  auto value = (this->*kFunctions[static_cast<size_t>(node.kind)])(node);
  if (!value && error_line_ == 0) error_line_ = node.line;
  return value;
}

Result<Value> Interpreter::Constant(const Expr& node) { return node.value; }
Result<Value> Interpreter::BlockText(const Expr&) { return block_text_; }
Result<Value> Interpreter::Name(const Expr& node) { return Lookup(node.name); }

Result<Value> Interpreter::Lookup(std::string_view name) {
  for (size_t at = scope_;; at = scopes_[at].parent) {
    const auto& variables = scopes_[at].variables;
    if (const auto it = variables.find(name); it != variables.end()) return it->second;
    if (at == 0) break;
  }
  if (const Value* value = context_.dict().Find(name)) return *value;
  if (const Builtin* function = FindGlobal(name)) {
    auto callable = std::make_shared<Callable>();
    RW_TRY(callable->charge.Grow(&runtime_.meter(), sizeof(Callable)));
    callable->builtin = function;
    return Value::Of(std::shared_ptr<const Callable>(std::move(callable)));
  }
  return NewUndefined(runtime_.meter(), fmt::format("'{}' is undefined", name.substr(0, 80)));
}

Result<Value> Interpreter::ListOrTuple(const Expr& node) {
  std::vector<Value> items;
  items.reserve(node.parts.size());
  for (const ExprPtr& part : node.parts) {
    RW_ASSIGN(Value item, Evaluate(*part));
    items.push_back(std::move(item));
  }
  const bool tuple = node.kind == ExprKind::kTuple;
  return NewSequence(runtime_.meter(), tuple ? SequenceKind::kTuple : SequenceKind::kList,
                     std::move(items));
}

Result<Value> Interpreter::DictLiteral(const Expr& node) {
  Dict dict;
  for (size_t i = 0; i < node.parts.size(); i += 2) {
    RW_ASSIGN(Value key, Evaluate(*node.parts[i]));
    RW_ASSIGN(Value value, Evaluate(*node.parts[i + 1]));
    RW_TRY(dict.Set(std::move(key), std::move(value), &runtime_.meter()));
  }
  return NewDict(runtime_.meter(), std::move(dict));
}

Result<Value> Interpreter::Attribute(const Expr& node) {
  RW_ASSIGN(const Value object, Evaluate(*node.parts[0]));
  return GetAttribute(runtime_, object, node.name);
}

Result<Value> Interpreter::Item(const Expr& node) {
  RW_ASSIGN(const Value object, Evaluate(*node.parts[0]));
  RW_ASSIGN(const Value key, Evaluate(*node.parts[1]));
  return GetItem(runtime_, object, key);
}

Result<Value> Interpreter::Slice(const Expr& node) {
  RW_ASSIGN(const Value object, Evaluate(*node.parts[0]));
  Value bounds[3] = {Value::None(), Value::None(), Value::None()};
  for (size_t i = 0; i < 3; ++i) {
    if (node.parts[i + 1] == nullptr) continue;
    RW_ASSIGN(bounds[i], Evaluate(*node.parts[i + 1]));
  }
  return GetSlice(runtime_, object, bounds[0], bounds[1], bounds[2]);
}

Result<Value> Interpreter::ArithmeticChain(const Expr& node) {
  RW_ASSIGN(Value value, Evaluate(*node.parts[0]));
  for (size_t i = 0; i < node.ops.size(); ++i) {
    RW_ASSIGN(const Value operand, Evaluate(*node.parts[i + 1]));
    RW_ASSIGN(value, Arithmetic(runtime_, node.ops[i], value, operand));
  }
  return value;
}

Result<Value> Interpreter::Concat(const Expr& node) {
  std::string text;
  Charge charge;
  for (const ExprPtr& part : node.parts) {
    RW_ASSIGN(const Value value, Evaluate(*part));
    Result<std::string> other;
    if (!value.is_string()) {
      other = Str(runtime_.meter(), value);
      RW_TRY(other);
    }
    const std::string& piece = value.is_string() ? value.string() : *other;
    RW_TRY(charge.Grow(&runtime_.meter(), piece.size()));
    text += piece;
  }
  return NewString(runtime_.meter(), std::move(text));
}

// "and" and "or" give the operand that decided.
Result<Value> Interpreter::Logical(const Expr& node) {
  const bool stops_at = node.kind == ExprKind::kOr;
  Value value;
  for (const ExprPtr& part : node.parts) {
    RW_ASSIGN(value, Evaluate(*part));
    if (Truthy(value) == stops_at) break;
  }
  return value;
}

Result<Value> Interpreter::Not(const Expr& node) {
  RW_ASSIGN(const Value value, Evaluate(*node.parts[0]));
  return Value::Bool(!Truthy(value));
}

Result<Value> Interpreter::Sign(const Expr& node) {
  RW_ASSIGN(const Value value, Evaluate(*node.parts[0]));
  return node.kind == ExprKind::kNegative ? Negative(value) : Positive(value);
}

Result<Value> Interpreter::Compare(const Expr& node) {
  RW_ASSIGN(Value left, Evaluate(*node.parts[0]));
  for (size_t i = 0; i < node.ops.size(); ++i) {
    RW_ASSIGN(Value right, Evaluate(*node.parts[i + 1]));
    RW_ASSIGN(const bool holds, CompareValues(runtime_, node.ops[i], left, right));
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

Result<Value> Interpreter::Conditional(const Expr& node) {
  RW_ASSIGN(const Value condition, Evaluate(*node.parts[1]));
  if (Truthy(condition)) return Evaluate(*node.parts[0]);
  if (node.parts[2] != nullptr) return Evaluate(*node.parts[2]);
  return NewUndefined(runtime_.meter(), "an inline 'if' was false and has no 'else'");
}

}  // namespace rw::jinja
