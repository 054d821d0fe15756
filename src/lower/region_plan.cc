#include "lower/region_plan.h"

#include <algorithm>
#include <utility>

#include "native/gpu_params.h"

namespace rw {
namespace {

constexpr int kNone = -1;
constexpr int kImpossible = -2;

ValueId DomainOf(const Node& node, const native::Meaning& meaning) {
  return meaning.domain == native::kFirstResult ? node.out[0]
                                                : node.in[static_cast<size_t>(meaning.domain)];
}

RowDomain Domain(const Type& type) {
  const std::vector<Dim>& dims = type.dims;
  return {dims.front(), dims.size() == 3 ? dims[1].value : 1, dims.back().value};
}

std::vector<native::Segment> Cut(const Graph& graph, const Node& node,
                                 const native::Meaning& meaning) {
  if (meaning.cut == nullptr) return {};
  std::vector<int64_t> widths;
  for (const ValueId id : node.in) widths.push_back(graph.type(id).dims.back().value);
  return meaning.cut(node.attrs, widths);
}

bool Agree(const std::vector<native::Segment>& a, const std::vector<native::Segment>& b) {
  return a.empty() || b.empty() || a == b;
}

}  // namespace

int RegionPlan::PartRead(const Node& node, const native::Meaning& meaning,
                         const RowDomain& domain) {
  int part = kNone;
  for (const int operand : meaning.reads) {
    const ValueId id = node.in[static_cast<size_t>(operand)];
    ValueId root = id;
    for (const Value* value = &graph_->value(root);
         value->producer >= 0 &&
         graph_->nodes()[static_cast<size_t>(value->producer)].op->memory == Memory::kView;
         value = &graph_->value(root)) {
      root = graph_->nodes()[static_cast<size_t>(value->producer)].in[0];
    }
    const auto made = made_.find(root);
    if (made == made_.end()) continue;
    const bool row_by_row =
        id == root && parts_[static_cast<size_t>(made->second)].domain == domain;
    if (!row_by_row) return kImpossible;
    if (part >= 0 && part != made->second) {
      const auto& a = parts_[static_cast<size_t>(part)].cut;
      const auto& b = parts_[static_cast<size_t>(made->second)].cut;
      if (!Agree(a, b)) return kImpossible;
      Unite(part, made->second);
    }
    part = made_.at(root);
  }
  return part;
}

// A part that reads the same rows: they are loaded once.
int RegionPlan::PartBeside(const Node& node, const native::Meaning& meaning,
                           const PlannedPart& wanted) const {
  for (size_t p = 0; p < parts_.size(); ++p) {
    const PlannedPart& part = parts_[p];
    if (!(part.domain == wanted.domain) || !Agree(part.cut, wanted.cut)) continue;
    for (const PlannedPart::Member& member : part.members) {
      const Node& other = graph_->nodes()[static_cast<size_t>(member.node)];
      for (const int theirs : other.op->meanings[static_cast<size_t>(member.meaning)].reads) {
        for (const int ours : meaning.reads) {
          const ValueId id = node.in[static_cast<size_t>(ours)];
          const bool rows =
              graph_->type(id).dims.size() > 1 && Domain(graph_->type(id)) == wanted.domain;
          if (rows && other.in[static_cast<size_t>(theirs)] == id) return static_cast<int>(p);
        }
      }
    }
  }
  return kNone;
}

void RegionPlan::Unite(int into, int from) {
  PlannedPart& target = parts_[static_cast<size_t>(into)];
  PlannedPart& source = parts_[static_cast<size_t>(from)];
  target.members.insert(target.members.end(), source.members.begin(), source.members.end());
  std::ranges::stable_sort(target.members, {}, &PlannedPart::Member::node);
  if (target.cut.empty()) target.cut = source.cut;
  source = {};  // an empty part stays until the end, so that numbers of parts hold
  for (auto& [value, part] : made_) {
    if (part == from) part = into;
  }
}

bool RegionPlan::AddMeaning(int index, int meaning_index) {
  const Node& node = graph_->nodes()[static_cast<size_t>(index)];
  const native::Meaning& meaning = node.op->meanings[static_cast<size_t>(meaning_index)];
  PlannedPart wanted{Domain(graph_->type(DomainOf(node, meaning))),
                     Cut(*graph_, node, meaning),
                     {{index, meaning_index}}};
  int part = PartRead(node, meaning, wanted.domain);
  if (part == kImpossible) return false;
  if (part == kNone) part = PartBeside(node, meaning, wanted);
  if (part == kNone) {
    if (parts_.size() == native::kMaxGpuParts) return false;
    part = static_cast<int>(parts_.size());
    parts_.push_back(std::move(wanted));
  } else {
    PlannedPart& there = parts_[static_cast<size_t>(part)];
    if (!Agree(there.cut, wanted.cut)) return false;
    if (there.cut.empty()) there.cut = std::move(wanted.cut);
    there.members.push_back({index, meaning_index});
  }
  // Meaning i makes result i.
  const auto result = static_cast<size_t>(meaning_index);
  if (result < node.out.size() && !graph_->type(node.out[result]).is_kv()) {
    made_[node.out[result]] = part;
  }
  return true;
}

bool RegionPlan::Add(int index) {
  RegionPlan tried = *this;
  const Node& node = graph_->nodes()[static_cast<size_t>(index)];
  for (const ValueId id : node.out) {
    if (!graph_->type(id).is_kv()) continue;
    if (tried.kv_ != kNoValue) return false;
    tried.kv_ = id;
  }
  for (int m = 0; m < static_cast<int>(node.op->meanings.size()); ++m) {
    if (!tried.AddMeaning(index, m)) return false;
  }
  tried.nodes_.push_back(index);
  *this = std::move(tried);
  return true;
}

}  // namespace rw
