#include "partition/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace rw {
namespace {

// The structure of a piece as text: operands are numbered in the order in which the piece meets
// them, with their types, so equal pieces give equal text whatever their values are called.
class Structure {
 public:
  Structure(const Graph& graph, const std::vector<int>& last_user)
      : graph_(graph), last_user_(last_user) {}

  std::string Of(const Piece& piece) {
    text_.clear();
    numbers_.clear();
    for (int i = piece.first; i < piece.last; ++i)
      Append(graph_.nodes()[static_cast<size_t>(i)], piece);
    return std::move(text_);
  }

 private:
  void Append(const Node& node, const Piece& piece) {
    text_ += node.op->name;
    if (node.native) text_ += " native";
    for (const auto& [name, value] : node.attrs) {
      text_ += fmt::format(" {}=", name);
      std::visit([&](const auto& v) { text_ += fmt::format("{}", v); }, value);
    }
    for (const ValueId id : node.in) {
      const auto [it, fresh] = numbers_.emplace(id, numbers_.size());
      text_ += fmt::format(" {}", it->second);
      if (fresh) AppendType(id);
    }
    text_ += " ->";
    for (const ValueId id : node.out) {
      numbers_.emplace(id, numbers_.size());
      AppendType(id);
      // Whether a result leaves the piece is part of its structure.
      if (last_user_[static_cast<size_t>(id)] >= piece.last) text_ += '!';
    }
    text_ += '\n';
  }

  void AppendType(ValueId id) {
    const bool weight = graph_.value(id).kind == Value::Kind::kWeight;
    text_ += fmt::format(":{}{}", weight ? "@" : "", ToString(graph_.type(id)));
  }

  const Graph& graph_;
  const std::vector<int>& last_user_;
  std::string text_;
  std::map<ValueId, size_t> numbers_;
};

// The last node that reads each value; the number of nodes for outputs of the graph.
std::vector<int> LastUsers(const Graph& graph) {
  std::vector<int> last(graph.values().size(), -1);
  const auto count = static_cast<int>(graph.nodes().size());
  for (int i = 0; i < count; ++i) {
    for (const ValueId id : graph.nodes()[static_cast<size_t>(i)].in)
      last[static_cast<size_t>(id)] = i;
  }
  for (const ValueId id : graph.outputs()) last[static_cast<size_t>(id)] = count;
  return last;
}

// FNV-1a, the same on every machine and in every run.
uint64_t Hash(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

}  // namespace

std::vector<Piece> Partition(const Graph& graph, std::span<const std::string> splitting_ops) {
  std::vector<Piece> pieces;
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    const std::string_view op = graph.nodes()[static_cast<size_t>(i)].op->name;
    const bool splitting = std::ranges::find(splitting_ops, op) != splitting_ops.end();
    if (pieces.empty() || pieces.back().splitting != splitting) {
      pieces.push_back({i, i, splitting, 0, 0});
    }
    pieces.back().last = i + 1;
  }
  const std::vector<int> last_users = LastUsers(graph);
  Structure structure(graph, last_users);
  std::map<std::string, int> known;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string text = structure.Of(pieces[i]);
    pieces[i].hash = Hash(text);
    pieces[i].equal_to = known.emplace(text, static_cast<int>(i)).first->second;
  }
  return pieces;
}

int CountDistinct(std::span<const Piece> pieces) {
  int distinct = 0;
  for (size_t i = 0; i < pieces.size(); ++i) distinct += pieces[i].equal_to == static_cast<int>(i);
  return distinct;
}

}  // namespace rw
