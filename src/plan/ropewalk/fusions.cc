// Which fusions are on, and in which layers.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plan/names.h"
#include "plan/ropewalk/draft.h"

namespace rw::ropewalk {
namespace {

constexpr Knob kThreshold = Knob::kRopeKvcacheFusionMaxTokenNum;

// Larger fusions are decided before those they contain.
constexpr Knob kRopeOrder[] = {Knob::kFuseQkNormRopeKvcache, Knob::kFuseRopeKvcache,
                               Knob::kEnableQkNormRopeFusion};

bool AskedOff(const Options& options, Knob knob) {
  const bool* asked = options.Get<bool>(knob);
  return asked != nullptr && !*asked;
}
bool AskedOn(const Options& options, Knob knob) {
  const bool* asked = options.Get<bool>(knob);
  return asked != nullptr && *asked;
}

std::optional<Ban> BannedBySplit(const Draft& draft, const FusionDef& fusion) {
  for (const std::string& name : std::get<Names>(draft[Knob::kSplittingOps].value)) {
    const SplittingOpDef* cut = FindSplittingOp(name);
    if (cut != nullptr && std::ranges::find(fusion.parts, cut->op) != fusion.parts.end()) {
      return Ban{true,
                 Reason::kSplitBetween,
                 fmt::format("splitting_ops has {}", name),
                 {Knob::kSplittingOps}};
    }
  }
  return std::nullopt;
}

std::optional<Ban> BannedByCustomOps(const Draft& draft, const FusionDef& fusion) {
  const CustomOpList list = ReadCustomOps(draft.options);
  const bool asked = AskedOn(draft.options, fusion.knob);
  for (const std::string_view made : fusion.makes) {
    const CustomOpDef* op = FindCustomOp(made);
    if (op == nullptr) continue;
    if (list.Forbids(op->name)) {
      return Ban{true,
                 Reason::kCustomOpOff,
                 fmt::format("custom_ops has -{}", op->name),
                 {Knob::kCustomOps}};
    }
    // "none" is what the user wants of every op that nothing else asks for by name.
    if (list.base == false && !asked && !list.Asks(op->name)) {
      return Ban{true,
                 Reason::kCustomOpOff,
                 fmt::format("custom_ops is none without +{}", op->name),
                 {Knob::kCustomOps}};
    }
  }
  return std::nullopt;
}

// The layers in which it could be, were it alone; the ban if there are none.
std::optional<Ban> BannedByGraph(const GraphFacts& graph, const FusionDef& fusion) {
  const FusionSites& sites = graph.fusions[static_cast<size_t>(FusionIndex(fusion.knob))];
  if (!sites.layers.empty()) return std::nullopt;
  if (sites.declined.empty()) return Ban{true, Reason::kNoMatch, std::string(fusion.joins)};
  const Declined& first = sites.declined.front();
  std::string detail = first.detail;
  if (sites.declined.size() > 1) {
    detail +=
        fmt::format("{}and so in {} places", detail.empty() ? "" : "; ", sites.declined.size());
  }
  return Ban{true, first.reason, std::move(detail)};
}

// Why a fusion cannot be on at all, whatever the others do.
std::optional<Ban> BannedAlone(const Draft& draft, const FusionDef& fusion) {
  if (fusion.makes.empty()) return Ban{true, Reason::kNoSuchOp, std::string(fusion.missing)};
  if (!draft.compiled()) {
    return Ban{true,
               Reason::kNotCompiled,
               draft.options.enforce_eager ? "--enforce-eager" : "mode=NONE",
               {Knob::kMode}};
  }
  if (auto ban = BannedBySplit(draft, fusion)) return ban;
  if (auto ban = BannedByCustomOps(draft, fusion)) return ban;
  if (fusion.writes_cache()) {
    const int64_t* threshold = draft.options.Get<int64_t>(kThreshold);
    if (threshold != nullptr && *threshold < 1) {
      return Ban{true, Reason::kNoTokens, "rope_kvcache_fusion_max_token_num=0", {kThreshold}};
    }
  }
  if (draft.facts.graph) return BannedByGraph(*draft.facts.graph, fusion);
  const Device device = draft.facts.platform.device;
  const bool has_kernel = std::ranges::any_of(KernelTable(), [&](const KernelRow& row) {
    return row.device == device && row.op == fusion.makes.front();
  });
  if (device != Device::kCpu || !has_kernel) return Ban{true, Reason::kNoKernel};
  return std::nullopt;
}

// Why a default must yield to requests for other fusions.
std::optional<Ban> BannedByOthers(const Draft& draft, const FusionDef& fusion) {
  if (AskedOn(draft.options, fusion.knob)) return std::nullopt;
  for (const Knob part : fusion.contains) {
    if (AskedOff(draft.options, part)) {
      return Ban{true, Reason::kPartOff, fmt::format("{}=false", Def(part).name)};
    }
  }
  for (const Knob other : fusion.competes) {
    if (AskedOn(draft.options, other)) {
      return Ban{true, Reason::kCompetes, fmt::format("{}=true", Def(other).name)};
    }
  }
  return std::nullopt;
}

// A fusion that is on and works on the same rope: the larger one that contains this one, or the one
// that competes for it.
struct Taker {
  const Decision* decision = nullptr;
  bool contains = false;
};

std::vector<Taker> Takers(const Draft& draft, const FusionDef& fusion) {
  std::vector<Taker> takers;
  for (const Knob other : kRopeOrder) {
    if (other == fusion.knob) break;
    if (!draft.On(other)) continue;
    const auto& contains = FindFusion(other)->contains;
    takers.push_back({&draft[other], std::ranges::find(contains, fusion.knob) != contains.end()});
  }
  return takers;
}

std::vector<Candidate> Candidates(const Draft& draft, const FusionDef& fusion,
                                  const EvidenceRow* row) {
  const int level = draft.options.level;
  std::vector<Candidate> candidates;
  draft.AddUser(fusion.knob, candidates);
  if (row != nullptr) candidates.push_back(Measured(*row));
  // What no op exists for would be tried if one did: legality then says why not.
  const bool on = level >= fusion.level || fusion.makes.empty();
  std::string detail = fmt::format("O{}", level);
  if (row == nullptr && level > 0 && !fusion.makes.empty()) {
    detail += fmt::format("; no measurement for {}: level table", draft.described);
  }
  candidates.push_back(
      {Source::kLevel, on, on ? Reason::kLevelDefault : Reason::kOffAtLevel, std::move(detail)});
  candidates.push_back({Source::kFallback, false, Reason::kFallback});
  return candidates;
}

// Takes from the decision the layers where another fusion works; off where none are left, unless
// the user asked and what the other fusion does includes it.
Status YieldLayers(const Draft& draft, const FusionDef& fusion, Decision& decision) {
  for (const Taker& taker : Takers(draft, fusion)) {
    // One that is on for some numbers of tokens leaves the others: see LeavesNothing.
    if (!taker.decision->tokens.empty()) continue;
    const size_t before = decision.layers.size();
    decision.layers = Without(std::move(decision.layers), taker.decision->layers);
    const bool all = draft.facts.graph ? decision.layers.empty() : true;
    if (before == decision.layers.size() && draft.facts.graph) continue;
    const Reason reason = taker.contains ? Reason::kContainedIn : Reason::kCompetes;
    const std::string name(Def(taker.decision->knob).name);
    if (!all) {
      decision.detail +=
          fmt::format("{}{} takes the other layers", decision.detail.empty() ? "" : "; ", name);
      continue;
    }
    if (decision.source == Source::kUser) {
      if (!taker.contains) {
        return tl::unexpected(
            Refuse(fusion.knob, true, reason,
                   fmt::format("{}; fuse_qk_norm_rope_kvcache=true does both", name),
                   {taker.decision->knob}));
      }
      decision.detail = fmt::format("included in {}", name);
      return {};
    }
    std::erase_if(decision.others, [](const Rejected& other) {
      return other.value == KnobValue(false);  // what is chosen now
    });
    decision.others.push_back({true, decision.source, reason, name});
    decision.value = false;
    decision.source = Source::kLegality;
    decision.reason = reason;
    decision.detail = name;
    return {};
  }
  return {};
}

// What is decided for steps of so many tokens.
struct Part {
  Bounds tokens;
  Decision decision;
};

bool IsOn(const Part& part) { return std::get<bool>(part.decision.value); }

// The most tokens of a step in which the fusion can be on.
int64_t MostTokens(const Draft& draft, const FusionDef& fusion) {
  const int64_t most = draft.facts.max_num_batched_tokens;
  if (!draft.facts.graph) return most;
  const int64_t kernels = SitesOf(draft, fusion).most_tokens;
  return kernels > 0 ? std::min(kernels, most) : most;
}

// The rows that speak for or against it, by tokens. O0 tries nothing, whatever was measured.
std::vector<Answer> Answers(const Draft& draft, const FusionDef& fusion) {
  const int64_t most = MostTokens(draft, fusion);
  if (draft.options.level == 0) return {{{1, most}, nullptr}};
  return AnswersTo(QuestionOf(fusion.knob), draft.facts, most);
}

// The parts in which it is on, neighbours as one.
std::vector<Bounds> TokensOf(const std::vector<Part>& parts) {
  std::vector<Bounds> tokens;
  for (const Part& part : parts) {
    if (!IsOn(part)) continue;
    if (!tokens.empty() && tokens.back().most + 1 == part.tokens.least) {
      tokens.back().most = part.tokens.most;
    } else {
      tokens.push_back(part.tokens);
    }
  }
  return tokens;
}

// One decision of its parts: on if it is on in some steps, with what speaks against it in others.
// Of the parts that agree, the one with the best source gives the reason.
Decision Join(const std::vector<Part>& parts, int64_t max_tokens) {
  const bool on = std::ranges::any_of(parts, IsOn);
  const Part* lead = nullptr;
  for (const Part& part : parts) {
    const bool better = lead == nullptr || part.decision.source < lead->decision.source;
    if (IsOn(part) == on && better) lead = &part;
  }
  Decision joined = lead->decision;
  joined.rows.clear();
  for (const Part& part : parts) {
    const Decision& decision = part.decision;
    for (const AppliedRow& row : decision.rows) {
      joined.rows.push_back({row.row, part.tokens, row.changed});
    }
    const std::string detail = fmt::format("{} tokens: {}", ToString(part.tokens), decision.detail);
    if (IsOn(part) != on) {
      joined.others.push_back({decision.value, decision.source, decision.reason, detail});
    } else if (decision.source > joined.source && joined.source != Source::kLegality) {
      joined.detail += "; " + detail;
    }
  }
  joined.tokens = TokensOf(parts);
  if (joined.tokens == std::vector{Bounds{1, max_tokens}}) joined.tokens.clear();
  return joined;
}

Status DecideFusion(Draft& draft, const FusionDef& fusion) {
  std::vector<Ban> bans;
  if (auto ban = BannedAlone(draft, fusion)) bans.push_back(*std::move(ban));
  if (auto ban = BannedByOthers(draft, fusion)) bans.push_back(*std::move(ban));
  // A request for the norm + rope fusion goes before a default for rope + write.
  if (fusion.knob == Knob::kFuseRopeKvcache && !AskedOn(draft.options, fusion.knob) &&
      AskedOn(draft.options, Knob::kEnableQkNormRopeFusion) &&
      !draft.On(Knob::kFuseQkNormRopeKvcache)) {
    bans.push_back({true, Reason::kCompetes, "pass_config.enable_qk_norm_rope_fusion=true"});
  }
  std::vector<Part> parts;
  for (const Answer& answer : Answers(draft, fusion)) {
    auto decision = Choose(fusion.knob, Candidates(draft, fusion, answer.row), bans);
    if (!decision) return tl::unexpected(decision.error());
    parts.push_back({answer.tokens, *std::move(decision)});
  }
  Decision decision = Join(parts, draft.facts.max_num_batched_tokens);
  if (std::get<bool>(decision.value) && draft.facts.graph) {
    decision.layers = SitesOf(draft, fusion).layers;
    decision.kernel = SitesOf(draft, fusion).kernel;
  }
  if (std::get<bool>(decision.value) &&
      std::ranges::find(kRopeOrder, fusion.knob) != std::end(kRopeOrder)) {
    if (auto done = YieldLayers(draft, fusion, decision); !done) return done;
  }
  if (!std::get<bool>(decision.value)) {
    decision.kernel.clear();
    decision.tokens.clear();
    if (decision.source == Source::kLegality) decision.rows.clear();
  }
  draft.Set(std::move(decision));
  return {};
}

}  // namespace

const FusionSites& SitesOf(const Draft& draft, const FusionDef& fusion) {
  return draft.facts.graph->fusions[static_cast<size_t>(FusionIndex(fusion.knob))];
}

std::vector<int> Without(std::vector<int> layers, const std::vector<int>& taken) {
  for (const int layer : taken) {
    const auto it = std::ranges::find(layers, layer);
    if (it != layers.end()) layers.erase(it);
  }
  return layers;
}

Status DecideFusions(Draft& draft) {
  for (const Knob knob : kRopeOrder) {
    if (auto done = DecideFusion(draft, *FindFusion(knob)); !done) return done;
  }
  for (const FusionDef& fusion : Fusions()) {
    if (std::ranges::find(kRopeOrder, fusion.knob) != std::end(kRopeOrder)) continue;
    if (auto done = DecideFusion(draft, fusion); !done) return done;
  }
  return {};
}

}  // namespace rw::ropewalk
