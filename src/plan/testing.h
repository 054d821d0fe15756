// What the tests of the plan share: random facts and options for property tests, every knob, every
// platform, graphs that offer each fusion in some, all or none of their layers.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "plan/names.h"
#include "plan/plan.h"

namespace rw::testing {

class RandomRequests {
 public:
  explicit RandomRequests(uint64_t seed) : random_(seed) {}

  Facts NextFacts();
  Options NextOptions();

 private:
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  template <class T>
  const T& OneOf(const std::vector<T>& items) {
    return items[random_() % items.size()];
  }
  GraphFacts NextGraph();
  Evidence NextEvidence(Device device);
  FusionSites NextSites(const FusionDef& fusion, int layers);
  KnobValue NextValue(const KnobDef& def);

  std::mt19937_64 random_;
};

inline FusionSites RandomRequests::NextSites(const FusionDef& fusion, int layers) {
  FusionSites sites;
  if (fusion.makes.empty() || Chance(20)) return sites;
  const bool all = Chance(70);
  for (int layer = 0; layer < layers; ++layer) {
    if (all || Chance(50)) {
      sites.layers.push_back(layer);
    } else {
      sites.declined.push_back({layer, Reason::kValueUsedElsewhere, "%k is an output"});
    }
  }
  if (!sites.layers.empty()) {
    sites.op = fusion.makes[0];
    sites.kernel = sites.op + "/test";
  }
  return sites;
}

inline GraphFacts RandomRequests::NextGraph() {
  GraphFacts graph{.layers = OneOf<int>({1, 2, 32}),
                   .ops = {"embed", "rms_norm", "linear", "rope", "kv_write", "attention", "silu",
                           "mul", "add"}};
  for (const FusionDef& fusion : Fusions()) {
    graph.fusions[static_cast<size_t>(FusionIndex(fusion.knob))] = NextSites(fusion, graph.layers);
  }
  // Where the larger rope fusion matches, so do those it contains.
  const auto sites = [&](Knob knob) -> FusionSites& {
    return graph.fusions[static_cast<size_t>(FusionIndex(knob))];
  };
  const FusionSites& larger = sites(Knob::kFuseQkNormRopeKvcache);
  if (!larger.layers.empty()) {
    for (const Knob part : {Knob::kFuseRopeKvcache, Knob::kEnableQkNormRopeFusion}) {
      sites(part) = larger;
    }
  }
  return graph;
}

// Few rows, on what a graph may have, for some numbers of tokens.
inline Evidence RandomRequests::NextEvidence(Device device) {
  std::vector<EvidenceRow> rows;
  while (Chance(60)) {
    EvidenceRow row{.choice = Chance(50), .device = device};
    const FusionDef& fusion = Fusions()[random_() % Fusions().size()];
    row.question = Chance(60) ? QuestionOf(fusion.knob)
                              : QuestionOf(OneOf<std::string>({"rms_norm", "rope", "silu"}));
    row.tokens.least = OneOf<int64_t>({1, 1, 1, 5, 17, 200});
    row.tokens.most = row.tokens.least + OneOf<int64_t>({0, 15, 255, 10'000});
    row.users = Chance(30);
    row.kind = Chance(30) ? EvidenceKind::kCited : EvidenceKind::kMeasured;
    rows.push_back(std::move(row));
  }
  return std::make_shared<const EvidenceTable>(std::move(rows));
}

inline Facts RandomRequests::NextFacts() {
  static const std::vector<std::string> kPlatforms = {
      "cpu:avx2",   "cpu:avx2,avx512",   "cuda:sm80",         "cuda:sm90,flashinfer", "cuda:sm100",
      "cuda:sm120", "rocm:gfx942,aiter", "rocm:gfx950,aiter", "rocm:gfx950"};
  Facts facts;
  facts.platform = *ParsePlatform(OneOf(kPlatforms));
  facts.hidden_size = OneOf<int64_t>({64, 2048, 4096, 8192});
  facts.dtype = OneOf<DType>({DType::kF32, DType::kBF16, DType::kF16});
  facts.pooling = Chance(5);
  facts.encoder_decoder = Chance(5);
  facts.max_num_batched_tokens = OneOf<int64_t>({1, 7, 128, 512, 8192});
  facts.max_num_seqs = OneOf<int64_t>({1, 16, 256, 1024});
  facts.tensor_parallel_size = Chance(3) ? 2 : 1;
  if (Chance(85)) facts.graph = NextGraph();
  facts.evidence = Chance(50) ? NextEvidence(facts.platform.device) : NoEvidence();
  if (Chance(80)) {
    for (const CustomOpDef& op : CustomOps()) {
      facts.native_ops.insert(facts.native_ops.end(), op.ops.begin(), op.ops.end());
    }
  }
  return facts;
}

inline KnobValue RandomRequests::NextValue(const KnobDef& def) {
  switch (def.type) {
    case KnobType::kFlag:
      return Chance(60);
    case KnobType::kInt:
      return OneOf<int64_t>({0, 1, 8, 64, 256, 4096});
    case KnobType::kFloat:
      return OneOf<double>({0, 0.5, 64});
    case KnobType::kChoice:
      return static_cast<int64_t>(random_() % def.values.size());
    case KnobType::kSizes: {
      Sizes sizes;
      while (Chance(60)) sizes.push_back(OneOf<int64_t>({1, 2, 8, 64, 256, 512, 4096}));
      return sizes;
    }
    case KnobType::kNames:
      break;
  }
  Names names;
  if (def.knob == Knob::kSplittingOps) {
    static const std::vector<std::string> kOps = {
        "attention", "kv_write", "vllm::unified_attention_with_output",
        "vllm::unified_kv_cache_update", "vllm::mamba_mixer"};
    while (Chance(60)) names.push_back(OneOf(kOps));
    return names;
  }
  static const std::vector<std::string> kItems = {
      "all",          "none",      "+rotary_embedding", "-rotary_embedding", "+rms_norm",
      "-rms_norm",    "-silu_mul", "+quant_fp8",        "+rope_kv_write",    "-",
      "-add_rms_norm"};
  while (Chance(65)) names.push_back(OneOf(kItems));
  return names;
}

inline Options RandomRequests::NextOptions() {
  Options options;
  options.level = static_cast<int>(random_() % 4);
  options.enforce_eager = Chance(6);
  // Few requests at a time, or nearly every draw would contradict itself.
  const int percent = OneOf<int>({2, 5, 10, 25});
  for (const KnobDef& def : Knobs()) {
    if (def.knob != Knob::kRmsNormProviders && Chance(percent))
      options.Set(def.knob, NextValue(def));
  }
  return options;
}

}  // namespace rw::testing
