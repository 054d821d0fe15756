#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "plan/names.h"
#include "plan/plan.h"
#include "plan/tune/tune.h"

namespace rw::tune {
namespace {

using Variants = std::map<std::string, const Cell*, std::less<>>;

// "x86-64,avx2" is an architecture with its features.
Platform PlatformOf(const Matrix& matrix) {
  Platform platform{matrix.device, matrix.arch.substr(0, matrix.arch.find(',')), {}};
  for (size_t at = platform.arch.size(); at < matrix.arch.size();) {
    const size_t end = std::min(matrix.arch.find(',', at + 1), matrix.arch.size());
    platform.features.push_back(matrix.arch.substr(at + 1, end - at - 1));
    at = end;
  }
  return platform;
}

void AddSites(GraphFacts& graph, const FusionDef& fusion, std::string_view op) {
  FusionSites& sites = graph.fusions[static_cast<size_t>(FusionIndex(fusion.knob))];
  sites.op = op;
  sites.kernel = fmt::format("{}/measured", op);
  sites.layers = {0};
}

// A model of which this call is a layer.
Facts FactsOf(const Matrix& matrix, const Call& call, const Evidence& evidence) {
  Facts facts{.platform = PlatformOf(matrix), .device_name = matrix.device_name};
  facts.hidden_size = facts.intermediate_size = call.shape.width;
  facts.head_dim = call.shape.d;
  facts.num_q_heads = call.shape.hq;
  facts.num_kv_heads = call.shape.hk;
  facts.dtype = call.dtype;
  facts.kv_dtype = call.shape.kv_dtype;
  facts.kv_layout = call.shape.kv_layout;
  facts.max_num_batched_tokens = call.tokens.rbegin()->first;
  facts.evidence = evidence;
  GraphFacts graph{.layers = 1};
  if (const FusionDef* fusion = FusionThatMakes(call.op)) {
    for (const std::string_view part : CustomPartsOf(call.op)) graph.ops.emplace_back(part);
    for (const Knob part : fusion->contains) {
      AddSites(graph, *FindFusion(part), FindFusion(part)->makes.front());
    }
    FusionSites& sites = graph.fusions[static_cast<size_t>(FusionIndex(fusion->knob))];
    for (const auto& [tokens, variants] : call.tokens) {
      if (!variants.contains(kFused)) continue;
      AddSites(graph, *fusion, call.op);
      sites.most_tokens = tokens;
    }
    if (sites.most_tokens == facts.max_num_batched_tokens) sites.most_tokens = 0;
  } else {
    graph.ops.push_back(call.op);
  }
  const bool native = std::ranges::any_of(
      call.tokens, [](const auto& entry) { return entry.second.contains(kNative); });
  if (native) {
    facts.native_ops = graph.ops;
    facts.native_ops.push_back(call.op);
  }
  facts.graph = std::move(graph);
  return facts;
}

// Fusions of which ops a cell consists.
std::set<Knob> FusionsIn(const Cell& cell) {
  std::set<Knob> fusions;
  for (const std::string& kernel : cell.kernels) {
    const FusionDef* fusion = FusionThatMakes(kernel.substr(0, kernel.find('@')));
    if (fusion != nullptr) fusions.insert(fusion->knob);
  }
  return fusions;
}

// The variant that runs in a range of the plan; empty: it was not measured.
std::string_view PickOf(const TokenRange& range, const Call& call, const Variants& variants) {
  const FusionDef* fusion = FusionThatMakes(call.op);
  const std::set<Knob> on(range.fusions.begin(), range.fusions.end());
  if (fusion != nullptr && on.contains(fusion->knob)) {
    return std::ranges::count(range.native, call.op) > 0 ? kNative : kFused;
  }
  const std::vector<std::string_view> parts =
      fusion != nullptr ? CustomPartsOf(call.op) : std::vector<std::string_view>{call.op};
  const bool native = std::ranges::any_of(
      parts, [&](std::string_view part) { return std::ranges::count(range.native, part) > 0; });
  if (native) return kNative;
  if (on.empty()) return kCustom;
  const auto found = std::ranges::find_if(variants, [&](const auto& entry) {
    return entry.first != kNative && FusionsIn(*entry.second) == on;
  });
  return found == variants.end() ? "" : std::string_view(found->first);
}

bool IsInParts(std::string_view variant) { return variant != kFused && variant != kNative; }

// Of two that are written out, which is the faster is a question of their parts.
const Cell* FastestBeside(std::string_view picked, const Variants& variants) {
  const Cell* fastest = variants.find(picked)->second;
  for (const auto& [name, cell] : variants) {
    if (IsInParts(picked) && IsInParts(name)) continue;
    if (cell->median_us < fastest->median_us) fastest = cell;
  }
  return fastest;
}

}  // namespace

std::vector<WrongPick> CheckPicks(const Matrix& matrix, const Evidence& evidence) {
  std::vector<WrongPick> wrong;
  for (const Call& call : CallsOf(matrix)) {
    const auto plan = MakePlan(FactsOf(matrix, call, evidence), {}, Policy::kRopewalk);
    if (!plan) continue;  // nothing was asked for, so nothing is refused
    for (const auto& [tokens, variants] : call.tokens) {
      const auto range = std::ranges::find_if(plan->ranges, [&](const TokenRange& candidate) {
        return candidate.first <= tokens && tokens <= candidate.last;
      });
      const auto picked = variants.find(PickOf(*range, call, variants));
      if (picked == variants.end()) continue;  // not measured
      const Cell* fastest = FastestBeside(picked->first, variants);
      if (!Beats(*fastest, *picked->second, matrix.noise)) continue;
      wrong.push_back({Describe(call), tokens, picked->first, fastest->variant,
                       picked->second->median_us, fastest->median_us});
    }
  }
  return wrong;
}

std::vector<const EvidenceRow*> ShadowedRows(const EvidenceTable& table) {
  std::vector<const EvidenceRow*> shadowed;
  const std::span<const EvidenceRow> rows = table.rows();
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t j = i; j-- > 0 && rows[j].question == rows[i].question;) {
      // The one that goes first is the user's, or the earlier of equals.
      if (!SameCase(rows[i], rows[j])) continue;
      shadowed.push_back(rows[i].users && !rows[j].users ? &rows[j] : &rows[i]);
      break;
    }
  }
  return shadowed;
}

std::vector<EvidenceRow> Replaced(const std::vector<EvidenceRow>& old,
                                  const std::vector<EvidenceRow>& rows) {
  std::vector<EvidenceRow> all = rows;
  for (const EvidenceRow& row : old) {
    if (std::ranges::none_of(rows, [&](const EvidenceRow& r) { return SameCase(r, row); })) {
      all.push_back(row);
    }
  }
  return all;
}

}  // namespace rw::tune
