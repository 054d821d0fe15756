#include "cli/plan_page_data.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "plan/departures.h"
#include "plan/explain.h"

namespace rw {
namespace {

using JsonValue = nlohmann::ordered_json;

std::string_view KindName(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kInput:
      return "input";
    case Value::Kind::kWeight:
      return "weight";
    case Value::Kind::kResult:
      break;
  }
  return "result";
}

// One table of the values of all graphs. Passes keep the names of values, so a value that is there
// before and after has one index.
class ValueTable {
 public:
  int Index(const Value& value) {
    const auto key = std::make_tuple(value.kind, value.name, ToString(value.type));
    const auto [it, fresh] = index_.emplace(key, static_cast<int>(index_.size()));
    if (fresh) rows_.push_back({value.name, KindName(value.kind), ToString(value.type)});
    return it->second;
  }

  JsonValue Take() { return std::move(rows_); }

 private:
  std::map<std::tuple<Value::Kind, std::string, std::string>, int> index_;
  JsonValue rows_ = JsonValue::array();
};

JsonValue NodeJson(const Graph& graph, const Node& node, ValueTable& values) {
  JsonValue json = {{"op", node.op->name}, {"in", JsonValue::array()}, {"out", JsonValue::array()}};
  if (node.layer != kNoLayer) json["layer"] = node.layer;
  for (const ValueId id : node.in) json["in"].push_back(values.Index(graph.value(id)));
  for (const ValueId id : node.out) json["out"].push_back(values.Index(graph.value(id)));
  for (const auto& [name, value] : node.attrs) {
    std::visit([&, &key = name](const auto& v) { json["attrs"][key] = v; }, value);
  }
  return json;
}

JsonValue NodesJson(const Graph& graph, ValueTable& values) {
  JsonValue nodes = JsonValue::array();
  for (const Node& node : graph.nodes()) nodes.push_back(NodeJson(graph, node, values));
  return nodes;
}

// Which calls of the imported graph a call of the rewritten one stands for: those that made its
// results, and those before them whose results are gone.
class Origins {
 public:
  Origins(const Graph& before, const Graph& after) : before_(before) {
    for (const Value& value : before.values()) {
      if (value.kind == Value::Kind::kResult) producer_.emplace(value.name, value.producer);
    }
    for (const Value& value : after.values()) {
      if (value.kind == Value::Kind::kResult) kept_.insert(value.name);
    }
  }

  // Ascending; empty for a call that is as it was.
  std::vector<int> Of(const Graph& after, const Node& node) const {
    std::set<int> found;
    std::vector<int> next;
    const auto visit = [&](const Value& value) {
      const auto it = producer_.find(value.name);
      if (value.kind == Value::Kind::kResult && it != producer_.end() &&
          found.insert(it->second).second) {
        next.push_back(it->second);
      }
    };
    for (const ValueId id : node.out) visit(after.value(id));
    while (!next.empty()) {
      const Node& origin = before_.nodes()[static_cast<size_t>(next.back())];
      next.pop_back();
      for (const ValueId id : origin.in) {
        if (!kept_.contains(before_.value(id).name)) visit(before_.value(id));
      }
    }
    if (found.size() == 1 && before_.nodes()[static_cast<size_t>(*found.begin())].op == node.op)
      return {};
    return {found.begin(), found.end()};
  }

 private:
  const Graph& before_;
  std::map<std::string_view, int> producer_;
  std::set<std::string_view> kept_;
};

JsonValue PiecesJson(const std::vector<Piece>& pieces) {
  JsonValue json = JsonValue::array();
  for (const Piece& piece : pieces) {
    json.push_back({{"first", piece.first},
                    {"last", piece.last},
                    {"splitting", piece.splitting},
                    {"equal_to", piece.equal_to},
                    {"hash", fmt::format("{:016x}", piece.hash)}});
  }
  return json;
}

JsonValue ProgramJson(const Graph& imported, const Program& program, ValueTable& values) {
  JsonValue json = {{"ranges", JsonValue::array()},
                    {"native", program.native},
                    {"nodes", NodesJson(program.graph, values)}};
  const Origins origins(imported, program.graph);
  for (size_t i = 0; i < program.graph.nodes().size(); ++i) {
    const std::vector<int> replaced = origins.Of(program.graph, program.graph.nodes()[i]);
    if (!replaced.empty()) json["nodes"][i]["replaces"] = replaced;
  }
  json["pieces"] = PiecesJson(program.pieces);
  return json;
}

JsonValue ProgramsJson(const Graph& imported, const Compiled& compiled, ValueTable& values) {
  JsonValue json = JsonValue::array();
  for (const Program& program : compiled.programs) {
    json.push_back(ProgramJson(imported, program, values));
  }
  for (size_t i = 0; i < compiled.plan.ranges.size(); ++i) {
    const TokenRange& range = compiled.plan.ranges[i];
    JsonValue& program = json[static_cast<size_t>(compiled.program_of[i])];
    program["ranges"].push_back({range.first, range.last});
  }
  return json;
}

JsonValue KnobJson(const KnobDef& def, const Facts& facts) {
  JsonValue json = {{"summary", def.summary}, {"in_vllm", def.in_vllm}};
  if (const FusionDef* fusion = FindFusion(def.knob); fusion != nullptr) {
    json["joins"] = fusion->joins;
    json["makes"] = fusion->makes;
    json["left"] = JsonValue::array();
    if (facts.graph && !fusion->makes.empty()) {
      for (const Declined& declined :
           facts.graph->fusions[static_cast<size_t>(FusionIndex(def.knob))].declined) {
        json["left"].push_back({{"layer", declined.layer},
                                {"reason", Name(declined.reason)},
                                {"detail", declined.detail}});
      }
    }
  }
  json["departures"] = JsonValue::array();
  for (const Departure& row : Departures()) {
    if (row.knob == def.knob) {
      json["departures"].push_back({{"why", row.why}, {"thread", row.thread}});
    }
  }
  return json;
}

JsonValue ReasonsJson() {
  JsonValue json = JsonValue::object();
  for (int i = 0; i <= static_cast<int>(Reason::kNoKernelForTypes); ++i) {
    const auto reason = static_cast<Reason>(i);
    json[std::string(Name(reason))] = Sentence(reason);
  }
  return json;
}

void AddOps(const Graph& graph, JsonValue& ops) {
  for (const Node& node : graph.nodes()) ops[std::string(node.op->name)] = node.op->summary;
}

}  // namespace

std::string PlanPageData(const Graph& imported, const Compiled& compiled, const Facts& facts) {
  ValueTable values;
  JsonValue json = {{"model", imported.name()},
                    {"plan", JsonValue::parse(PlanJson(compiled.plan, facts))},
                    {"knobs", JsonValue::array()},
                    {"reasons", ReasonsJson()},
                    {"ops", JsonValue::object()}};
  for (const KnobDef& def : Knobs()) json["knobs"].push_back(KnobJson(def, facts));
  AddOps(imported, json["ops"]);
  for (const Program& program : compiled.programs) AddOps(program.graph, json["ops"]);
  json["before"] = NodesJson(imported, values);
  json["programs"] = ProgramsJson(imported, compiled, values);
  json["values"] = values.Take();
  // Names come from files: bytes that are no UTF-8 become U+FFFD.
  return json.dump(-1, ' ', false, JsonValue::error_handler_t::replace);
}

}  // namespace rw
