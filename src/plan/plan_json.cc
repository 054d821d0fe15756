#include <nlohmann/json.hpp>

#include "plan/explain.h"

namespace rw {
namespace {

using Value = nlohmann::ordered_json;

Value ValueJson(const KnobDef& def, const KnobValue& value) {
  if (def.type == KnobType::kChoice) return ToString(def, value);
  return std::visit([](const auto& v) { return Value(v); }, value);
}

Value BoundsJson(const Bounds& bounds) { return {bounds.least, bounds.most}; }

std::string_view Code(bool custom) { return custom ? "hand-written" : "native"; }

Value RowsJson(const std::vector<AppliedRow>& rows) {
  Value json = Value::array();
  for (const AppliedRow& applied : rows) {
    const EvidenceRow& row = applied.row;
    const bool cited = row.kind == EvidenceKind::kCited;
    json.push_back({{"tokens", BoundsJson(applied.tokens)},
                    {"choice", row.choice},
                    {"kind", cited ? "cited" : "measured"},
                    {"device_name", row.device_name},
                    {"margin", row.margin},
                    {"spread", row.spread},
                    {"finding", row.finding},
                    {"date", row.date},
                    {"link", cited ? row.source : row.result},
                    {"stale", applied.changed},
                    {"file", row.file},
                    {"users", row.users}});
  }
  return json;
}

Value RejectedJson(const Rejected& other, Value value) {
  return {{"value", std::move(value)},
          {"source", Name(other.by)},
          {"reason", Name(other.reason)},
          {"detail", other.detail}};
}

Value DecisionJson(const Decision& decision) {
  const KnobDef& def = Def(decision.knob);
  Value json = {{"knob", def.name},
                {"value", ValueJson(def, decision.value)},
                {"source", Name(decision.source)},
                {"reason", Name(decision.reason)},
                {"because", Sentence(decision.reason)},
                {"detail", decision.detail}};
  if (!decision.evidence.empty()) json["evidence"] = decision.evidence;
  if (decision.cause) json["cause"] = Def(*decision.cause).name;
  if (!decision.layers.empty()) json["layers"] = decision.layers;
  if (!decision.kernel.empty()) json["kernel"] = decision.kernel;
  for (const Bounds& tokens : decision.tokens) json["tokens"].push_back(BoundsJson(tokens));
  json["rows"] = RowsJson(decision.rows);
  json["rejected"] = Value::array();
  for (const Rejected& other : decision.others) {
    json["rejected"].push_back(RejectedJson(other, ValueJson(def, other.value)));
  }
  return json;
}

Value OpJson(const OpDecision& op) {
  Value json = {{"op", op.op},
                {"tokens", BoundsJson(op.tokens)},
                {"code", Code(op.custom)},
                {"source", Name(op.source)},
                {"reason", Name(op.reason)},
                {"detail", op.detail}};
  if (op.cause) json["cause"] = Def(*op.cause).name;
  json["rows"] = RowsJson(op.rows);
  json["rejected"] = Value::array();
  for (const Rejected& other : op.others) {
    json["rejected"].push_back(RejectedJson(other, Code(std::get<bool>(other.value))));
  }
  return json;
}

}  // namespace

std::string PlanJson(const Plan& plan, const Facts& facts) {
  Value json = {{"policy", plan.policy == Policy::kVllm ? "vllm" : "ropewalk"},
                {"platform", ToString(facts.platform)},
                {"dtype", Name(facts.dtype)},
                {"level", plan.level},
                {"max_num_batched_tokens", facts.max_num_batched_tokens}};
  if (facts.graph) json["layers"] = facts.graph->layers;
  json["decisions"] = Value::array();
  for (const Decision& decision : plan.decisions)
    json["decisions"].push_back(DecisionJson(decision));
  json["ops"] = Value::array();
  for (const OpDecision& op : plan.ops) json["ops"].push_back(OpJson(op));
  json["ranges"] = Value::array();
  for (const TokenRange& range : plan.ranges) {
    Value row = {{"first", range.first}, {"last", range.last}, {"fusions", Value::array()}};
    for (const Knob knob : range.fusions) row["fusions"].push_back(Def(knob).name);
    row["native"] = range.native;
    json["ranges"].push_back(std::move(row));
  }
  json["warnings"] = Value::array();
  for (const Warning& warning : plan.warnings) {
    json["warnings"].push_back({{"code", warning.code}, {"message", warning.message}});
  }
  if (facts.graph) json["without_kernel"] = facts.graph->without_kernel;
  return json.dump(2);
}

}  // namespace rw
