#include "plan/fusion.h"

#include "base/check.h"

namespace rw {
namespace {

using enum Knob;
constexpr std::string_view kNoQuant = "Ropewalk has no quantized activations yet";
constexpr std::string_view kNoCollectives =
    "Ropewalk runs on one device, so a graph has no collectives";
constexpr std::string_view kNoMla = "Ropewalk has no latent attention (MLA) yet";
constexpr int kNoLevel = 4;

const std::vector<FusionDef>& Table() {
  static const std::vector<FusionDef> table = {
      {kFuseNormQuant, "rms_norm + quantize", {}, {}, kNoQuant, kNoLevel, "", {}, {}, ""},
      {kFuseActQuant, "silu_mul + quantize", {}, {}, kNoQuant, kNoLevel, "", {}, {}, ""},
      {kFuseAttnQuant, "attention + quantize", {}, {}, kNoQuant, kNoLevel, "", {}, {}, ""},
      {kEnableSp, "sequence parallelism", {}, {}, kNoCollectives, kNoLevel, "", {}, {}, ""},
      {kFuseGemmComms, "linear + collective", {}, {}, kNoCollectives, kNoLevel, "", {}, {}, ""},
      {kFuseAllreduceRms,
       "all-reduce + rms_norm",
       {},
       {},
       kNoCollectives,
       kNoLevel,
       "",
       {},
       {},
       ""},
      {kEnableQkNormRopeFusion,
       "rms_norm of q and of k + rope",
       {"rms_norm", "rope"},
       {"qk_norm_rope"},
       "",
       2,
       "rotary_embedding",
       {},
       {},
       "norms of each head by itself; the normed and the rotated values used nowhere else"},
      {kFuseRopeKvcacheCatMla, "rope + latent kv_write", {}, {}, kNoMla, kNoLevel, "", {}, {}, ""},
      {kFuseActPadding,
       "rms_norm + padding",
       {},
       {},
       "Ropewalk pads no activations",
       kNoLevel,
       "",
       {},
       {},
       ""},
      {kFuseMlaDualRmsNorm, "the two norms of MLA", {}, {}, kNoMla, kNoLevel, "", {}, {}, ""},
      {kFuseRopeKvcache,
       "rope + kv_write",
       {"rope", "kv_write"},
       {"rope_kv_write"},
       "",
       2,
       "rotary_embedding",
       {},
       {},
       "the rotated k used by the write alone"},
      {kFuseQkNormRopeKvcache,
       "rms_norm of q and of k + rope + kv_write",
       {"rms_norm", "rope", "kv_write"},
       {"qk_norm_rope_kv_write"},
       "",
       2,
       "rotary_embedding",
       {kEnableQkNormRopeFusion, kFuseRopeKvcache},
       {},
       "norms of each head by itself; the rotated k used by the write alone"},
      {kFuseAddRmsNorm,
       "add + rms_norm",
       {"add", "rms_norm"},
       {"add_rms_norm"},
       "",
       1,
       "rms_norm",
       {},
       {},
       "a norm that reads the sum"},
      {kFuseActMul,
       "silu, gelu or gelu_tanh + mul",
       {"silu", "gelu", "gelu_tanh", "mul"},
       {"silu_mul", "gelu_mul", "gelu_tanh_mul"},
       "",
       1,
       "",
       {},
       {},
       "the activation used by the product alone"},
      {kMergeQkv,
       "three linear of one x",
       {"linear"},
       {"linear3"},
       "",
       1,
       "",
       {},
       {},
       "q, k and v projected by weights of their own"},
      {kMergeGateUp,
       "two linear of one x",
       {"linear"},
       {"linear2"},
       "",
       1,
       "",
       {},
       {},
       "gate and up projected by weights of their own"},
      {kFuseLinearRopeKvcache,
       "three linear of one x + rope + kv_write",
       {"linear", "rope", "kv_write"},
       {"linear3_rope_kv_write"},
       "",
       2,
       "rotary_embedding",
       {kMergeQkv, kFuseRopeKvcache},
       {},
       "q, k and v projected by weights of their own and used by rope and write alone"},
      {kFuseLinearActMul,
       "two linear of one x + silu, gelu or gelu_tanh + mul",
       {"linear", "silu", "gelu", "gelu_tanh", "mul"},
       {"linear2_act_mul"},
       "",
       2,
       "",
       {kMergeGateUp, kFuseActMul},
       {},
       "gate and up used by the activation and the product alone"},
      {kFuseLinearAdd,
       "linear + add",
       {"linear", "add"},
       {"linear_add"},
       "",
       3,
       "",
       {},
       {kFuseAddRmsNorm},
       "the projection used by the sum alone"},
      {kFuseNormLinear,
       "rms_norm + the linear that read it",
       {"rms_norm", "linear"},
       {"rms_norm_linear", "rms_norm_linear2", "rms_norm_linear3", "rms_norm_linear2_act_mul",
        "rms_norm_linear3_rope_kv_write"},
       "",
       3,
       "rms_norm",
       {kMergeQkv, kMergeGateUp},
       {kFuseAddRmsNorm},
       "the normed row used by one, two or three projections alone"},
  };
  return table;
}

}  // namespace

std::span<const FusionDef> Fusions() {
  RW_CHECK(Table().size() == kNumFusions, "fusion table of {} rows", Table().size());
  return Table();
}

const FusionDef* FindFusion(Knob knob) {
  const int index = FusionIndex(knob);
  if (index < 0 || index >= kNumFusions) return nullptr;
  const FusionDef& def = Table()[static_cast<size_t>(index)];
  RW_CHECK(def.knob == knob, "fusion table out of order at {}", def.joins);
  return &def;
}

bool TakesFrom(const FusionDef& taker, Knob fusion) {
  return std::ranges::find(taker.contains, fusion) != taker.contains.end() ||
         (taker.knob == kFuseRopeKvcache && fusion == kEnableQkNormRopeFusion);
}

}  // namespace rw
