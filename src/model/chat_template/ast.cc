#include "model/chat_template/ast.h"

#include <algorithm>

namespace rw::jinja {

std::vector<ExprPtr> Parts(ExprPtr first, ExprPtr second) {
  std::vector<ExprPtr> parts;
  parts.push_back(std::move(first));
  if (second != nullptr) parts.push_back(std::move(second));
  return parts;
}

Result<ExprPtr> MakeExpr(ExprKind kind, int line, std::vector<ExprPtr> parts) {
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->line = line;
  for (const ExprPtr& part : parts) RW_TRY(RaiseOver(*node, part.get()));
  node->parts = std::move(parts);
  return node;
}

ExprPtr MakeConstant(int line, Value value) {
  auto node = std::make_unique<Expr>();
  node->kind = ExprKind::kConstant;
  node->line = line;
  node->value = std::move(value);
  return node;
}

Status RaiseOver(Expr& node, const Expr* child) {
  if (child != nullptr) node.height = std::max(node.height, child->height + 1);
  if (node.height > kMaxHeight) return Err("an expression nests more than {} deep", kMaxHeight);
  return {};
}

Status Adopt(Expr& node, ArgumentExprs arguments) {
  for (const auto& argument : arguments.positional) RW_TRY(RaiseOver(node, argument.get()));
  for (const auto& [name, argument] : arguments.keyword) RW_TRY(RaiseOver(node, argument.get()));
  RW_TRY(RaiseOver(node, arguments.star.get()));
  RW_TRY(RaiseOver(node, arguments.double_star.get()));
  node.arguments = std::move(arguments);
  return {};
}

}  // namespace rw::jinja
