#include "ir/graph_copy.h"

#include "base/check.h"

namespace rw {

GraphCopy::GraphCopy(const Graph& from)
    : from_(from), to_(from.name()), moved_(from.values().size(), kNoValue) {
  for (size_t i = 0; i < from.values().size(); ++i) {
    const Value& value = from.values()[i];
    if (value.kind == Value::Kind::kInput) moved_[i] = to_.AddInput(value.name, value.type);
    if (value.kind == Value::Kind::kWeight) moved_[i] = to_.AddWeight(value.name, value.type);
  }
}

ValueId GraphCopy::Moved(ValueId id) const {
  const ValueId moved = moved_[static_cast<size_t>(id)];
  RW_CHECK(moved != kNoValue, "%{} is read before it is made", from_.value(id).name);
  return moved;
}

std::vector<ValueId> GraphCopy::Moved(const std::vector<ValueId>& ids) const {
  std::vector<ValueId> moved;
  moved.reserve(ids.size());
  for (const ValueId id : ids) moved.push_back(Moved(id));
  return moved;
}

Status GraphCopy::Call(const OpDef& op, const std::vector<ValueId>& in, const Attrs& attrs,
                       const std::vector<ValueId>& out, int layer) {
  std::vector<std::string> names;
  names.reserve(out.size());
  for (const ValueId id : out) names.push_back(from_.value(id).name);
  RW_ASSIGN(const std::vector<ValueId> results,
            to_.AddNode(op, Moved(in), attrs, std::move(names), layer));
  for (size_t i = 0; i < out.size(); ++i) Bind(out[i], results[i]);
  return {};
}

Status GraphCopy::Copy(const Node& node) {
  RW_TRY(Call(*node.op, node.in, node.attrs, node.out, node.layer));
  to_.SetNative(to_.nodes().size() - 1, node.native);
  return {};
}

Graph GraphCopy::Finish() {
  for (const ValueId id : from_.outputs()) to_.AddOutput(Moved(id));
  return std::move(to_);
}

}  // namespace rw
