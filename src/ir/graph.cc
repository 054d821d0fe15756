#include "ir/graph.h"

#include <set>

namespace rw {

ValueId Graph::AddValue(Value value) {
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::AddInput(std::string name, Type type) {
  return AddValue({Value::Kind::kInput, std::move(name), std::move(type)});
}

ValueId Graph::AddWeight(std::string name, Type type) {
  return AddValue({Value::Kind::kWeight, std::move(name), std::move(type)});
}

Result<std::vector<ValueId>> Graph::AddNode(const OpDef& op, std::vector<ValueId> in, Attrs attrs,
                                            std::vector<std::string> names, int layer) {
  RW_TRY(CheckAttrs(op, attrs));
  std::vector<Type> operands;
  operands.reserve(in.size());
  for (const ValueId id : in) operands.push_back(type(id));
  RW_ASSIGN(std::vector<Type> results, InferResults(op, operands, attrs));
  if (results.size() != names.size()) {
    return Err("{}: expected {} result names, found {}", op.name, results.size(), names.size());
  }
  const auto index = static_cast<int>(nodes_.size());
  std::vector<ValueId> out;
  for (size_t i = 0; i < results.size(); ++i) {
    out.push_back(
        AddValue({Value::Kind::kResult, std::move(names[i]), std::move(results[i]), index}));
  }
  nodes_.push_back({&op, std::move(in), out, std::move(attrs), layer});
  return out;
}

CallTypes TypesOf(const Graph& graph, std::span<const ValueId> in, std::span<const ValueId> out) {
  CallTypes types;
  const auto add = [&](ValueId id, std::vector<DType>& dtypes) {
    const Type& type = graph.type(id);
    if (type.is_kv()) {
      types.kv = type.dtype;
    } else {
      dtypes.push_back(type.dtype);
    }
  };
  for (const ValueId id : in) add(id, types.in);
  for (const ValueId id : out) add(id, types.out);
  return types;
}

namespace {

Status CheckNames(const Graph& graph) {
  std::set<std::string_view> weights;
  std::set<std::string_view> others;
  for (const Value& value : graph.values()) {
    if (value.name.empty()) return Err("graph {}: a value has no name", graph.name());
    auto& names = value.kind == Value::Kind::kWeight ? weights : others;
    if (!names.insert(value.name).second) {
      return Err("graph {}: the name {} stands for two values", graph.name(), value.name);
    }
  }
  return {};
}

Status CheckNode(const Graph& graph, size_t index, const std::vector<bool>& defined,
                 std::vector<bool>& superseded) {
  const Node& node = graph.nodes()[index];
  std::vector<Type> operands;
  for (const ValueId id : node.in) {
    if (id < 0 || static_cast<size_t>(id) >= graph.values().size()) {
      return Err("node {} ({}): operand {} does not exist", index, node.op->name, id);
    }
    if (!defined[static_cast<size_t>(id)]) {
      return Err("node {} ({}): {} is used before it is defined", index, node.op->name,
                 graph.value(id).name);
    }
    // After a write only the new state of a cache exists.
    if (superseded[static_cast<size_t>(id)]) {
      return Err("node {} ({}): {} was overwritten by an earlier node", index, node.op->name,
                 graph.value(id).name);
    }
    operands.push_back(graph.type(id));
  }
  RW_TRY(CheckAttrs(*node.op, node.attrs));
  RW_ASSIGN(const std::vector<Type> results, InferResults(*node.op, operands, node.attrs));
  if (results.size() != node.out.size()) {
    return Err("node {} ({}): expected {} results, found {}", index, node.op->name, results.size(),
               node.out.size());
  }
  bool writes_kv = false;
  for (size_t i = 0; i < results.size(); ++i) {
    const Value& value = graph.value(node.out[i]);
    if (value.type != results[i]) {
      return Err("node {} ({}): result {}: expected {}, found {}", index, node.op->name, value.name,
                 ToString(results[i]), ToString(value.type));
    }
    writes_kv |= results[i].is_kv();
  }
  for (const ValueId id : node.in) {
    if (writes_kv && graph.type(id).is_kv()) superseded[static_cast<size_t>(id)] = true;
  }
  return {};
}

}  // namespace

Status Verify(const Graph& graph) {
  RW_TRY(CheckNames(graph));
  std::vector<bool> defined(graph.values().size());
  std::vector<bool> superseded(graph.values().size());
  for (size_t i = 0; i < graph.values().size(); ++i) {
    defined[i] = graph.values()[i].kind != Value::Kind::kResult;
  }
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    RW_TRY(CheckNode(graph, i, defined, superseded));
    for (const ValueId id : graph.nodes()[i].out) {
      if (defined[static_cast<size_t>(id)]) {
        return Err("{} is defined twice", graph.value(id).name);
      }
      defined[static_cast<size_t>(id)] = true;
    }
  }
  for (const ValueId id : graph.outputs()) {
    if (id < 0 || static_cast<size_t>(id) >= defined.size() || !defined[static_cast<size_t>(id)]) {
      return Err("graph {}: an output is not defined", graph.name());
    }
  }
  return {};
}

}  // namespace rw
