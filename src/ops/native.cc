#include "ops/native.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <span>

#include "ir/graph_copy.h"
#include "ops/ops.h"

namespace rw::ops {
namespace {

std::string_view Trim(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

std::vector<std::string_view> Split(std::string_view s, char at) {
  std::vector<std::string_view> parts;
  while (!Trim(s).empty()) {
    const size_t end = s.find(at);
    parts.push_back(Trim(s.substr(0, end)));
    s = end == std::string_view::npos ? std::string_view{} : s.substr(end + 1);
  }
  return parts;
}

// One call of a composition: "q, k = rope(q, k, pos, cs) {layout}".
struct Line {
  std::vector<std::string_view> out;
  const OpDef* op = nullptr;
  std::vector<std::string_view> in;
  std::vector<std::string_view> attrs;
};

// "<act>_mul": what stands between the brackets is the attribute's text.
Result<std::string> OpName(std::string_view text, const Attrs& attrs) {
  const size_t open = text.find('<');
  const size_t close = text.find('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::string(text);
  }
  const AttrValue* value = attrs.Find(text.substr(open + 1, close - open - 1));
  if (value == nullptr || !std::holds_alternative<std::string>(*value)) {
    return Err("no attribute for '{}'", text);
  }
  return fmt::format("{}{}{}", text.substr(0, open), std::get<std::string>(*value),
                     text.substr(close + 1));
}

Result<Line> ParseLine(std::string_view text, const Attrs& of) {
  const size_t equals = text.find(" = ");
  const size_t open = text.find('(');
  const size_t close = text.find(')');
  if (equals == std::string_view::npos || open == std::string_view::npos ||
      close == std::string_view::npos || open < equals || close < open) {
    return Err("expected 'results = op(operands) {{attributes}}', found '{}'", text);
  }
  Line line;
  line.out = Split(text.substr(0, equals), ',');
  RW_ASSIGN(const std::string name, OpName(Trim(text.substr(equals + 3, open - equals - 3)), of));
  line.op = Find(name);
  if (line.op == nullptr) return Err("unknown op in '{}'", text);
  line.in = Split(text.substr(open + 1, close - open - 1), ',');
  std::string_view attrs = Trim(text.substr(close + 1));
  if (!attrs.empty()) {
    if (attrs.front() != '{' || attrs.back() != '}') return Err("expected '{{...}}' in '{}'", text);
    line.attrs = Split(attrs.substr(1, attrs.size() - 2), ',');
  }
  return line;
}

class Expander {
 public:
  explicit Expander(const Graph& from) : from_(from), copy_(from) {}

  Result<Graph> Run(const std::function<bool(const Node&)>& expand) {
    for (const Node& node : from_.nodes()) {
      RW_TRY(!node.op->native.empty() && expand(node) ? Expand(node) : copy_.Copy(node));
    }
    return copy_.Finish();
  }

 private:
  Status Expand(const Node& node) {
    const Signature& signature = node.op->signature;
    std::map<std::string_view, ValueId> bound;
    for (size_t i = 0; i < node.in.size(); ++i) {
      bound[signature.in[i].name] = copy_.Moved(node.in[i]);
    }
    const std::vector<std::string_view> lines = Split(node.op->native, ';');
    for (size_t i = 0; i < lines.size(); ++i) {
      auto done = Call(node, std::span(lines).subspan(i), bound);
      if (!done) return Err("native of {}: {}", node.op->name, done.error().message);
    }
    for (size_t i = 0; i < node.out.size(); ++i) {
      const auto it = bound.find(signature.out[i].name);
      if (it == bound.end()) {
        return Err("native of {}: no result {}", node.op->name, signature.out[i].name);
      }
      copy_.Bind(node.out[i], it->second);
    }
    return {};
  }

  // The first of the lines that are left.
  Status Call(const Node& node, std::span<const std::string_view> lines,
              std::map<std::string_view, ValueId>& bound) {
    const std::string_view text = lines.front();
    RW_ASSIGN(const Line line, ParseLine(text, node.attrs));
    std::vector<ValueId> in;
    for (const std::string_view name : line.in) {
      const auto it = bound.find(name);
      if (it != bound.end()) in.push_back(it->second);  // else an operand that was left out
    }
    Attrs attrs;
    for (const std::string_view name : line.attrs) {
      const AttrValue* value = node.attrs.Find(name);
      if (value == nullptr) return Err("no attribute {}", name);
      attrs.Set(name, *value);
    }
    std::vector<std::string> names;
    for (const std::string_view name : line.out) {
      names.push_back(NameOf(node, name, lines.subspan(1)));
    }
    RW_ASSIGN(const std::vector<ValueId> out,
              copy_.to().AddNode(*line.op, std::move(in), std::move(attrs), std::move(names),
                                 node.layer));
    copy_.to().SetNative(copy_.to().nodes().size() - 1, node.native);
    if (out.size() != line.out.size()) return Err("wrong number of results in '{}'", text);
    for (size_t i = 0; i < out.size(); ++i) bound[line.out[i]] = out[i];
    return {};
  }

  // A result of the node keeps its name if no later line binds it; else the node's first result
  // says where it came from.
  std::string NameOf(const Node& node, std::string_view name,
                     std::span<const std::string_view> later) {
    const auto binds = [&](std::string_view line) {
      const auto out = Split(line.substr(0, line.find('=')), ',');
      return std::ranges::find(out, name) != out.end();
    };
    const auto& results = node.op->signature.out;
    const auto result = std::ranges::find(results, name, [](const auto& r) { return r.name; });
    if (result != results.end() && std::ranges::none_of(later, binds)) {
      return from_.value(node.out[static_cast<size_t>(result - results.begin())]).name;
    }
    return fmt::format("{}.native{}.{}", from_.value(node.out[0]).name, fresh_++, name);
  }

  const Graph& from_;
  GraphCopy copy_;
  int fresh_ = 0;
};

}  // namespace

Result<Graph> ExpandNative(const Graph& graph, const std::function<bool(const Node&)>& expand) {
  return Expander(graph).Run(expand);
}

bool HasMeaning(const OpDef& op) {
  if (!op.meanings.empty()) return true;
  Attrs any;  // an op that is named by an attribute: any of them
  for (const AttrDef& attr : op.attrs) {
    if (!attr.values.empty()) any.Set(attr.name, std::string(attr.values.front()));
  }
  return std::ranges::any_of(Split(op.native, ';'), [&](std::string_view text) {
    const auto line = ParseLine(text, any);
    return line && HasMeaning(*line->op);
  });
}

Result<Graph> MakeNative(Graph graph, const std::function<bool(const Node&)>& is_native) {
  const auto is_composed = [](const Node& node) {
    return node.native && !node.op->native.empty() && HasMeaning(*node.op);
  };
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    graph.SetNative(i, is_native(graph.nodes()[i]));
  }
  while (std::ranges::any_of(graph.nodes(), is_composed)) {
    RW_ASSIGN(graph, ExpandNative(graph, is_composed));
  }
  // What remains is native if it has a meaning; the products in a composition have none.
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    if (graph.nodes()[i].op->meanings.empty()) graph.SetNative(i, false);
  }
  return graph;
}

}  // namespace rw::ops
