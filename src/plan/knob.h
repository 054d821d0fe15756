// Every question that a plan answers, as a table: its name in vLLM's configuration, the type of its
// answer, what it decides. Parsing, printing, the ledger, the docs and the tests all read this
// table.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"

namespace rw {

enum class Knob : uint8_t {
  kMode,
  kCustomOps,
  kSplittingOps,
  kUseInductorGraphPartition,
  kCudagraphMode,
  kCudagraphCaptureSizes,
  kMaxCudagraphCaptureSize,
  kCompileSizes,
  kCompileRangesEndpoints,
  // pass_config: the fusions, in the order of kFusions (fusion.h)
  kFuseNormQuant,
  kFuseActQuant,
  kFuseAttnQuant,
  kEnableSp,
  kFuseGemmComms,
  kFuseAllreduceRms,
  kEnableQkNormRopeFusion,
  kFuseRopeKvcacheCatMla,
  kFuseActPadding,
  kFuseMlaDualRmsNorm,
  kFuseRopeKvcache,
  kFuseQkNormRopeKvcache,
  kFuseAddRmsNorm,
  kFuseActMul,
  kMergeQkv,
  kMergeGateUp,
  kFuseLinearRopeKvcache,
  kFuseLinearActMul,
  kFuseLinearAdd,
  kFuseNormLinear,
  // pass_config: thresholds
  kEliminateNoops,
  kRopeKvcacheFusionMaxTokenNum,
  kFiAllreduceFusionMaxSizeMb,
  kSpMinTokenNum,
  // kernel_config
  kRmsNormProviders,
};
inline constexpr int kNumKnobs = static_cast<int>(Knob::kRmsNormProviders) + 1;

enum class Mode : uint8_t { kNone, kStockTorchCompile, kDynamoTraceOnce, kVllmCompile };
enum class CudagraphMode : uint8_t { kNone, kPiecewise, kFull, kFullDecodeOnly, kFullAndPiecewise };

using Names = std::vector<std::string>;
using Sizes = std::vector<int64_t>;
// A choice is the index of its name in KnobDef::values, as int64_t.
using KnobValue = std::variant<bool, int64_t, double, Names, Sizes>;

enum class KnobType : uint8_t { kFlag, kInt, kFloat, kChoice, kNames, kSizes };

struct KnobDef {
  Knob knob;
  std::string_view name;  // "pass_config.fuse_rope_kvcache"
  KnobType type;
  bool in_vllm;  // vLLM has it; else Ropewalk's own
  std::string_view summary;
  std::span<const std::string_view> values = {};  // of a choice
  std::string_view alias = {};                    // another name that vLLM took or takes
};

// compile_sizes may be this word in place of a list (then the value is Names).
inline constexpr std::string_view kCaptureSizes = "cudagraph_capture_sizes";

std::span<const KnobDef> Knobs();
const KnobDef& Def(Knob knob);
// By name, alias, or the last part of the name alone ("fuse_rope_kvcache"). The error suggests the
// nearest name, or says why Ropewalk has no such knob where vLLM has one.
Result<Knob> FindKnob(std::string_view name);

// "true", "PIECEWISE", "[1, 2, 4]", "none" for an empty list of sizes ... the spelling of JSON
// without quotes around choices.
std::string ToString(const KnobDef& def, const KnobValue& value);
// A value from a flag: true/false, numbers, choice names in any case (or vLLM's number of a mode),
// lists as JSON or with commas.
Result<KnobValue> ParseValue(const KnobDef& def, std::string_view text);

}  // namespace rw
