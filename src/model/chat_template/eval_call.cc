// Calls of functions, methods, filters, tests and macros.
#include <algorithm>

#include "model/chat_template/access.h"
#include "model/chat_template/interpreter.h"

namespace rw::jinja {

Result<Value> Interpreter::Call(const Expr& node) {
  RW_ASSIGN(const Value callee, Evaluate(*node.parts[0]));
  if (callee.is_undefined()) return Err("{}", callee.undefined_reason());
  if (!callee.is(Kind::kCallable)) return Err("a '{}' cannot be called", callee.type_name());
  RW_ASSIGN(CallArguments arguments, EvaluateArguments(node.arguments));
  const Callable& callable = callee.callable();
  if (callable.macro != nullptr) return CallMacro(callable, std::move(arguments));
  return CallBuiltin(runtime_, *callable.builtin, callable.self, std::move(arguments));
}

Result<Value> Interpreter::Filter(const Expr& node) {
  RW_ASSIGN(const Value value, Evaluate(*node.parts[0]));
  RW_ASSIGN(CallArguments arguments, EvaluateArguments(node.arguments));
  return CallFilter(runtime_, node.name, value, std::move(arguments));
}

Result<Value> Interpreter::Test(const Expr& node) {
  RW_ASSIGN(const Value value, Evaluate(*node.parts[0]));
  RW_ASSIGN(CallArguments arguments, EvaluateArguments(node.arguments));
  return CallTest(runtime_, node.name, value, std::move(arguments)).map(Value::Bool);
}

Result<CallArguments> Interpreter::EvaluateArguments(const ArgumentExprs& expressions) {
  CallArguments arguments;
  for (const ExprPtr& expression : expressions.positional) {
    RW_ASSIGN(Value value, Evaluate(*expression));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, expression] : expressions.keyword) {
    RW_ASSIGN(Value value, Evaluate(*expression));
    arguments.keyword.emplace_back(name, std::move(value));
  }
  if (expressions.star != nullptr) {
    RW_ASSIGN(const Value value, Evaluate(*expressions.star));
    RW_ASSIGN(const std::vector<Value> items, Items(runtime_, value));
    arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
  }
  if (expressions.double_star != nullptr) {
    RW_ASSIGN(const Value value, Evaluate(*expressions.double_star));
    if (!value.is(Kind::kDict)) return Err("'**' needs a dict, found a '{}'", value.type_name());
    for (const Dict::Entry& entry : value.dict().entries()) {
      if (!entry.key.is_string()) return Err("the names of arguments must be strings");
      RW_TRY(runtime_.meter().Step());
      arguments.keyword.emplace_back(entry.key.string(), entry.value);
    }
  }
  return arguments;
}

Result<Value> Interpreter::CallMacro(const Callable& callable, CallArguments arguments) {
  const MacroStmt& macro = *callable.macro;
  if (calls_ >= max_calls_) return Err("macros call each other more than {} deep", max_calls_);
  // A macro sees the variables around its definition, so it cannot outlive them.
  if (callable.scope >= scopes_.size() || scopes_[callable.scope].serial != callable.scope_serial) {
    return Err("macro '{}' is called after the block that defines it has ended", macro.name);
  }
  const ScopeGuard scope(*this, callable.scope);
  ++calls_;
  Status bound = BindMacroArguments(macro, std::move(arguments));
  auto flow = bound ? Capture(macro.body) : Result<Flow>(Flow::kNext);
  --calls_;
  RW_TRY(bound);
  RW_TRY(flow);
  return std::exchange(block_text_, Value());
}

Status Interpreter::BindMacroArguments(const MacroStmt& macro, CallArguments arguments) {
  const size_t count = macro.parameters.size();
  const size_t first_default = count - macro.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = macro.parameters[i];
    const auto matches = [&](const auto& argument) { return argument.first == name; };
    Value value;
    const auto it = std::find_if(arguments.keyword.begin(), arguments.keyword.end(), matches);
    if (i < arguments.positional.size()) {
      value = std::move(arguments.positional[i]);
    } else if (it != arguments.keyword.end()) {
      value = std::move(it->second);
      arguments.keyword.erase(it);
    } else if (i >= first_default) {
      RW_ASSIGN(value, Evaluate(*macro.defaults[i - first_default]));
    } else {
      RW_ASSIGN(value, NewUndefined(runtime_.meter(),
                                    fmt::format("parameter '{}' was not provided", name)));
    }
    scopes_[scope_].variables[name] = std::move(value);
  }
  return BindExtraArguments(macro, arguments);
}

// Arguments without a parameter are an error unless the macro reads `varargs` or `kwargs`.
Status Interpreter::BindExtraArguments(const MacroStmt& macro, CallArguments& arguments) {
  const size_t taken = std::min(macro.parameters.size(), arguments.positional.size());
  arguments.positional.erase(arguments.positional.begin(),
                             arguments.positional.begin() + static_cast<ptrdiff_t>(taken));
  if (macro.uses_kwargs) {
    Dict dict;
    for (auto& [name, value] : arguments.keyword) {
      RW_ASSIGN(Value key, NewString(runtime_.meter(), name));
      RW_TRY(dict.Set(std::move(key), std::move(value), &runtime_.meter()));
    }
    RW_ASSIGN(scopes_[scope_].variables["kwargs"], NewDict(runtime_.meter(), std::move(dict)));
  } else if (!arguments.keyword.empty()) {
    return Err("macro '{}' has no parameter '{}'", macro.name, arguments.keyword.front().first);
  }
  if (macro.uses_varargs) {
    RW_ASSIGN(scopes_[scope_].variables["varargs"],
              NewSequence(runtime_.meter(), SequenceKind::kTuple, std::move(arguments.positional)));
  } else if (!arguments.positional.empty()) {
    return Err("macro '{}' takes at most {} arguments", macro.name, macro.parameters.size());
  }
  return {};
}

}  // namespace rw::jinja
