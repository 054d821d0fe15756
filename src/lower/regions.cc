#include "lower/regions.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "lower/region_plan.h"

namespace rw {
namespace {

// Writes the code of a planned region.
class RegionWriter {
 public:
  RegionWriter(const Graph& graph, const RegionPlan& plan) : graph_(graph), plan_(plan) {
    region_.nodes = plan.nodes();
    region_.kv = plan.kv();
    if (region_.kv != kNoValue) region_.program.cache = graph.type(region_.kv).dtype;
  }

  Region Write() {
    for (const PlannedPart& planned : plan_.parts()) {
      if (!planned.members.empty()) WritePart(planned);
    }
    return std::move(region_);
  }

 private:
  void WritePart(const PlannedPart& planned) {
    native::Part part{
        .heads = planned.domain.heads, .width = planned.domain.width, .segments = planned.cut};
    if (part.segments.empty()) part.segments = {{0, part.width, 1}};
    for (const PlannedPart::Member& member : planned.members) WriteMember(member, part);
    part.counted = Counted(part);
    region_.program.parts.push_back(std::move(part));
  }

  void WriteMember(const PlannedPart::Member& member, native::Part& part) {
    const Node& node = graph_.nodes()[static_cast<size_t>(member.node)];
    const native::Meaning& meaning = node.op->meanings[static_cast<size_t>(member.meaning)];
    std::vector<native::Operand> operands(node.in.size());
    for (const int operand : meaning.reads) {
      operands[static_cast<size_t>(operand)] = OperandOf(node.in[static_cast<size_t>(operand)]);
    }
    std::vector<DType> dtypes;
    for (const ValueId id : node.out) dtypes.push_back(graph_.type(id).dtype);
    native::RowCode code(part, operands, dtypes, node.attrs);
    meaning.code(code);
    for (size_t i = 0; i < node.out.size(); ++i) {
      if (!code.result(i)) continue;
      const ValueId id = node.out[i];
      made_[id] = {nullptr, code.result(i)->parts, code.result(i)->scalar};
      if (IsReadOutside(id)) native::StoreRow(part, made_[id], Port(id, region_.out));
    }
  }

  native::Operand OperandOf(ValueId id) {
    const Type& type = graph_.type(id);
    native::Operand operand{.dtype = type.dtype, .width = type.dims.back().value};
    if (const auto made = made_.find(id); made != made_.end()) {
      operand.made = made->second;
    } else {
      operand.port = Port(id, region_.in);
    }
    return operand;
  }

  int Port(ValueId id, std::vector<ValueId>& ports) {
    const auto it = std::ranges::find(ports, id);
    if (it != ports.end()) return static_cast<int>(it - ports.begin());
    ports.push_back(id);
    const bool constant = graph_.value(id).kind != Value::Kind::kResult;
    auto& list = &ports == &region_.in ? region_.program.in : region_.program.out;
    list.push_back({graph_.type(id).dtype, constant});
    return static_cast<int>(ports.size()) - 1;
  }

  // By a node of another region or of none, or at the end of the graph.
  bool IsReadOutside(ValueId id) const {
    if (std::ranges::find(graph_.outputs(), id) != graph_.outputs().end()) return true;
    for (size_t i = 0; i < graph_.nodes().size(); ++i) {
      const std::vector<ValueId>& in = graph_.nodes()[i].in;
      if (std::ranges::find(in, id) == in.end()) continue;
      const auto& ours = region_.nodes;
      if (!std::ranges::binary_search(ours, static_cast<int>(i))) return true;
    }
    return false;
  }

  // A port with a row for each row of the part.
  static int Counted(const native::Part& part) {
    for (const native::Instr& instr : part.code) {
      if (instr.picker >= 0) return instr.picker;
      if (instr.code == native::Code::kLoad && instr.rows == native::Rows::kOwn) return instr.port;
    }
    RW_CHECK(false, "a part of a region reads no rows");
    return -1;
  }

  const Graph& graph_;
  const RegionPlan& plan_;
  Region region_;
  std::map<ValueId, native::Row> made_;
};

}  // namespace

std::vector<Region> FindRegions(const Graph& graph, const Piece& piece) {
  std::vector<Region> regions;
  RegionPlan plan(graph);
  const auto close = [&] {
    if (!plan.nodes().empty()) regions.push_back(RegionWriter(graph, plan).Write());
    plan = RegionPlan(graph);
  };
  for (int i = piece.first; i < piece.last; ++i) {
    const Node& node = graph.nodes()[static_cast<size_t>(i)];
    if (node.op->memory == Memory::kView) continue;
    if (!node.native) {
      close();
    } else if (!plan.Add(i)) {
      close();
      RW_CHECK(plan.Add(i), "{} fits no region", node.op->name);
    }
  }
  close();
  return regions;
}

}  // namespace rw
