// A whole model as a list of op calls in execution order over values in SSA form.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/op.h"

namespace rw {

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;
inline constexpr int kNoLayer = -1;

struct Value {
  enum class Kind : uint8_t {
    kInput,   // given at each run
    kWeight,  // read from the checkpoint by its name
    kResult,  // of a node
  };
  Kind kind;
  std::string name;  // unique among weights, and among inputs and results together
  Type type;
  int producer = -1;  // index of the node, for kResult
};

struct Node {
  const OpDef* op;
  std::vector<ValueId> in;
  std::vector<ValueId> out;
  Attrs attrs;
  int layer = kNoLayer;  // left out of structural comparison: equal layers are equal pieces
  bool native = false;   // runs as generated code, merged with its neighbours
};

class Graph {
 public:
  explicit Graph(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }
  const Value& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  const Type& type(ValueId id) const { return value(id).type; }

  ValueId AddInput(std::string name, Type type);
  ValueId AddWeight(std::string name, Type type);
  // Appends a call; result types are inferred. Names are those of the results.
  Result<std::vector<ValueId>> AddNode(const OpDef& op, std::vector<ValueId> in, Attrs attrs,
                                       std::vector<std::string> names, int layer = kNoLayer);
  void AddOutput(ValueId id) { outputs_.push_back(id); }
  void SetNative(size_t node, bool native) { nodes_[node].native = native; }

 private:
  ValueId AddValue(Value value);

  std::string name_;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> outputs_;
};

// Element types of a call, caches apart.
struct CallTypes {
  std::vector<DType> in;
  std::vector<DType> out;
  DType kv = DType::kF32;  // of the cache, where the call has one
};
CallTypes TypesOf(const Graph& graph, std::span<const ValueId> in, std::span<const ValueId> out);

// Everything a graph must satisfy: known operands, defined before use, types as the ops say,
// attributes as the rows say, unique names, each KV cache written and read in one line of descent.
Status Verify(const Graph& graph);

// The text form. Parse(Print(g)) is g again, and Print(Parse(t)) is t for printed t.
std::string Print(const Graph& graph);
Result<Graph> ParseGraph(std::string_view text, const OpDef* (*find_op)(std::string_view name));

// Graphviz: one cluster for each layer.
std::string PrintDot(const Graph& graph);

}  // namespace rw
