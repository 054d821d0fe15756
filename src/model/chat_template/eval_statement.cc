#include <algorithm>

#include "model/chat_template/access.h"
#include "model/chat_template/interpreter.h"
#include "model/chat_template/print.h"

namespace rw::jinja {

Interpreter::Interpreter(Runtime& runtime, const Value& context, size_t output_bytes, int depth)
    : runtime_(runtime), context_(context), output_bytes_(output_bytes), max_calls_(depth) {
  scopes_.push_back({});
}

Result<std::string> Interpreter::Run(const Block& body) {
  RW_TRY(Execute(body));
  return std::move(output_.text);
}

Result<Interpreter::Flow> Interpreter::Execute(const Block& body) {
  const NestingGuard nesting(*this);
  RW_TRY(nesting.Check());
  for (const Stmt& statement : body) {
    RW_ASSIGN(const Flow flow, Execute(statement));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::Execute(const Stmt& statement) {
  RW_TRY(runtime_.meter().Step());
  auto flow = std::visit([this](const auto& node) { return Do(node); }, statement.node);
  if (!flow && error_line_ == 0) error_line_ = statement.line;
  return flow;
}

Status Interpreter::Emit(std::string_view text) {
  RW_TRY(runtime_.meter().Work(text.size()));
  if (sink_->captured) {
    RW_TRY(sink_->charge.Grow(&runtime_.meter(), text.size()));
  } else if (text.size() > output_bytes_ - sink_->text.size()) {
    return Err("the output grows beyond its limit of {} bytes", output_bytes_);
  }
  sink_->text += text;
  return {};
}

Result<Interpreter::Flow> Interpreter::Do(const TextStmt& node) {
  RW_TRY(Emit(node.text));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::Do(const OutputStmt& node) {
  RW_ASSIGN(const Value value, Evaluate(*node.value));
  if (value.is_string()) {
    RW_TRY(Emit(value.string()));
  } else {
    RW_ASSIGN(const std::string text, Str(runtime_.meter(), value));
    RW_TRY(Emit(text));
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::Do(const IfStmt& node) {
  for (const IfStmt::Branch& branch : node.branches) {
    RW_ASSIGN(const Value condition, Evaluate(*branch.condition));
    if (Truthy(condition)) return Execute(branch.body);
  }
  return Execute(node.otherwise);
}

Result<std::vector<Value>> Interpreter::LoopItems(const ForStmt& node) {
  RW_ASSIGN(const Value iterable, Evaluate(*node.items));
  RW_ASSIGN(std::vector<Value> items, Items(runtime_, iterable));
  if (node.condition == nullptr) return items;
  std::vector<Value> kept;
  for (Value& item : items) {
    const ScopeGuard scope(*this, scope_);
    RW_TRY(runtime_.meter().Step());
    RW_TRY(Assign(node.target, item));
    RW_ASSIGN(const Value condition, Evaluate(*node.condition));
    if (Truthy(condition)) kept.push_back(std::move(item));
  }
  return kept;
}

Result<Interpreter::Flow> Interpreter::Do(const ForStmt& node) {
  auto loop = std::make_shared<Loop>();
  RW_ASSIGN(loop->items, LoopItems(node));
  RW_TRY(loop->charge.Grow(&runtime_.meter(), loop->items.size() * sizeof(Value)));
  for (const Value& item : loop->items) loop->depth = std::max(loop->depth, item.depth() + 1);
  if (loop->depth > kMaxValueDepth) return Err("values nest more than {} deep", kMaxValueDepth);
  bool finished_round = false;
  for (loop->index = 0; loop->index < loop->items.size(); ++loop->index) {
    const ScopeGuard scope(*this, scope_);
    RW_TRY(runtime_.meter().Step());
    scopes_.back().variables.emplace("loop", Value::Of(loop));
    RW_TRY(Assign(node.target, loop->items[loop->index]));
    RW_ASSIGN(const Flow flow, Execute(node.body));
    if (flow == Flow::kBreak) break;
    finished_round = finished_round || flow == Flow::kNext;
  }
  // Jinja's "else" is for loops of which no round came to its end, by `continue` too.
  if (finished_round) return Flow::kNext;
  const ScopeGuard scope(*this, scope_);
  return Execute(node.otherwise);
}

Result<Interpreter::Flow> Interpreter::Do(const SetStmt& node) {
  RW_ASSIGN(Value value, Evaluate(*node.value));
  RW_TRY(Assign(node.target, std::move(value)));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::Capture(const Block& body) {
  Sink sink;
  sink.captured = true;
  Sink* const outer = sink_;
  sink_ = &sink;
  auto flow = Execute(body);
  sink_ = outer;
  if (!flow) return flow;
  RW_ASSIGN(block_text_, NewString(runtime_.meter(), std::move(sink.text)));
  return flow;
}

Result<Interpreter::Flow> Interpreter::Do(const SetBlockStmt& node) {
  Flow flow = Flow::kNext;
  {
    const ScopeGuard scope(*this, scope_);
    RW_ASSIGN(flow, Capture(node.body));
  }
  if (flow != Flow::kNext) return flow;
  RW_ASSIGN(Value value, Evaluate(*node.value));
  RW_TRY(Assign(node.target, std::move(value)));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::Do(const FilterStmt& node) {
  const ScopeGuard scope(*this, scope_);
  RW_ASSIGN(const Flow flow, Capture(node.body));
  if (flow != Flow::kNext) return flow;
  RW_ASSIGN(const Value value, Evaluate(*node.value));
  RW_ASSIGN(const std::string text, Str(runtime_.meter(), value));
  RW_TRY(Emit(text));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::Do(const std::unique_ptr<MacroStmt>& node) {
  auto callable = std::make_shared<Callable>();
  RW_TRY(callable->charge.Grow(&runtime_.meter(), sizeof(Callable)));
  callable->macro = node.get();
  callable->scope = scope_;
  callable->scope_serial = scopes_[scope_].serial;
  scopes_[scope_].variables[node->name] =
      Value::Of(std::shared_ptr<const Callable>(std::move(callable)));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::Do(const ScopeStmt& node) {
  std::vector<Value> values;
  for (const auto& [target, expression] : node.bindings) {
    RW_ASSIGN(Value value, Evaluate(*expression));
    values.push_back(std::move(value));
  }
  const ScopeGuard scope(*this, scope_);
  for (size_t i = 0; i < values.size(); ++i) {
    RW_TRY(Assign(node.bindings[i].first, std::move(values[i])));
  }
  return Execute(node.body);
}

Status Interpreter::Assign(const Target& target, Value value) {
  if (target.is_tuple) {
    RW_ASSIGN(std::vector<Value> values, Items(runtime_, value));
    if (values.size() != target.parts.size()) {
      return Err("{} names are assigned {} values", target.parts.size(), values.size());
    }
    for (size_t i = 0; i < values.size(); ++i) {
      RW_TRY(Assign(target.parts[i], std::move(values[i])));
    }
    return {};
  }
  if (target.attribute.empty()) {
    scopes_[scope_].variables[target.name] = std::move(value);
    return {};
  }
  RW_ASSIGN(const Value object, Lookup(target.name));
  if (!object.is(Kind::kNamespace)) {
    return Err("'{}.{}' cannot be set: '{}' is no namespace", target.name, target.attribute,
               target.name);
  }
  return SetAttribute(runtime_, object.name_space(), target.attribute, std::move(value));
}

}  // namespace rw::jinja
