// The text form of a graph, one declaration or call a line:
//
//   graph llama
//   input %tokens: i32[n]
//   weight @model.norm.weight: bf16[64]
//   %q.0, %k.0 = rope(%a, %b, %positions, %rope) {layout = "half"}: f32[n,4,64], f32[n,2,64] layer
//   0 output %logits
#include <fmt/format.h>

#include <cmath>

#include "ir/graph.h"

namespace rw {
namespace {

std::string Ref(const Value& value) {
  return (value.kind == Value::Kind::kWeight ? "@" : "%") + value.name;
}

std::string ToText(const AttrValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const auto* real = std::get_if<double>(&value)) {
    std::string text = fmt::format("{}", *real);  // the shortest that reads back the same
    const bool plain = text.find_first_of(".en") == std::string::npos;
    return plain ? text + ".0" : text;
  }
  return fmt::format("\"{}\"", std::get<std::string>(value));
}

std::string ToText(const Attrs& attrs) {
  if (attrs.empty()) return {};
  std::string text;
  for (const auto& [name, value] : attrs) {
    text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", name, ToText(value));
  }
  return " {" + text + "}";
}

// "%a, %b" of the values, or what `show` makes of each.
template <class Show>
std::string Join(const Graph& graph, const std::vector<ValueId>& ids, Show show) {
  std::string text;
  for (const ValueId id : ids) {
    if (!text.empty()) text += ", ";
    text += show(graph.value(id));
  }
  return text;
}

std::string TypeText(const Value& value) { return ToString(value.type); }

}  // namespace

std::string Print(const Graph& graph) {
  std::string text = fmt::format("graph {}\n", graph.name());
  for (const Value& value : graph.values()) {
    if (value.kind == Value::Kind::kResult) continue;
    text += fmt::format("{} {}: {}\n", value.kind == Value::Kind::kWeight ? "weight" : "input",
                        Ref(value), ToString(value.type));
  }
  for (const Node& node : graph.nodes()) {
    text +=
        fmt::format("{} = {}({}){}: {}", Join(graph, node.out, Ref), node.op->name,
                    Join(graph, node.in, Ref), ToText(node.attrs), Join(graph, node.out, TypeText));
    if (node.layer != kNoLayer) text += fmt::format(" layer {}", node.layer);
    text += node.native ? " native\n" : "\n";
  }
  for (const ValueId id : graph.outputs()) {
    text += fmt::format("output {}\n", Ref(graph.value(id)));
  }
  return text;
}

namespace {

std::string DotNode(const Graph& graph, size_t index) {
  const Node& node = graph.nodes()[index];
  std::string weights;
  for (const ValueId id : node.in) {
    if (graph.value(id).kind == Value::Kind::kWeight) {
      weights += "\\n" + graph.value(id).name + " " + ToString(graph.type(id));
    }
  }
  return fmt::format("  n{} [label=\"{}{}\"];\n", index, node.op->name, weights);
}

}  // namespace

std::string PrintDot(const Graph& graph) {
  std::string text = fmt::format(
      "digraph \"{}\" {{\n  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n"
      "  edge [fontname=\"sans-serif\", fontsize=8];\n",
      graph.name());
  int layer = kNoLayer;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (node.layer != layer) {
      if (layer != kNoLayer) text += "  }\n";
      layer = node.layer;
      if (layer != kNoLayer) {
        text += fmt::format("  subgraph cluster_{} {{ label=\"layer {}\";\n", layer, layer);
      }
    }
    text += DotNode(graph, i);
  }
  if (layer != kNoLayer) text += "  }\n";
  std::vector<bool> shown(graph.values().size());
  const auto source = [&](ValueId id) {
    const Value& value = graph.value(id);
    return value.kind == Value::Kind::kInput ? fmt::format("v{}", id)
                                             : fmt::format("n{}", value.producer);
  };
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    for (const ValueId id : graph.nodes()[i].in) {
      const Value& value = graph.value(id);
      if (value.kind == Value::Kind::kWeight) continue;
      if (value.kind == Value::Kind::kInput && !shown[static_cast<size_t>(id)]) {
        shown[static_cast<size_t>(id)] = true;
        text += fmt::format("  v{} [label=\"{}\\n{}\", shape=ellipse];\n", id, value.name,
                            ToString(value.type));
      }
      text += fmt::format("  {} -> n{} [label=\"{}\"];\n", source(id), i, ToString(value.type));
    }
  }
  for (const ValueId id : graph.outputs()) {
    text += fmt::format("  out{} [label=\"{}\", shape=ellipse];\n  {} -> out{};\n", id,
                        graph.value(id).name, source(id), id);
  }
  return text + "}\n";
}

}  // namespace rw
