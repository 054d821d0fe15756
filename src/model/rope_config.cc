#include "model/rope_config.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "model/json_fields.h"

namespace rw {
namespace {

constexpr int64_t kMaxLength = int64_t{1} << 30;
// The bounds on scales and on theta keep every frequency and angle finite in float32.
constexpr NumberRange kScaleRange = {1e-6, 1e6};
constexpr NumberRange kThetaRange = {1.0, 1e30};

struct TypeRow {
  std::string_view name;
  RopeType type;
};
constexpr std::array kTypes = {
    TypeRow{"default", RopeType::kDefault}, TypeRow{"linear", RopeType::kLinear},
    TypeRow{"dynamic", RopeType::kDynamic}, TypeRow{"llama3", RopeType::kLlama3},
    TypeRow{"yarn", RopeType::kYarn},       TypeRow{"longrope", RopeType::kLongrope},
};
// Phi-3's class knows two types; its older files call the second "su" or "yarn" (transformers,
// configuration_phi3.py).
constexpr std::array kPhi3Types = {
    TypeRow{"default", RopeType::kDefault},
    TypeRow{"longrope", RopeType::kLongrope},
    TypeRow{"su", RopeType::kLongrope},
    TypeRow{"yarn", RopeType::kLongrope},
};

std::span<const TypeRow> TypesFor(const RopeContext& context) {
  return context.phi3 ? std::span<const TypeRow>(kPhi3Types) : std::span<const TypeRow>(kTypes);
}

// Parses one object of rope keys. `rope` is nullopt where the file has none.
class RopeParser {
 public:
  RopeParser(const Json& root, std::optional<Json> rope, const RopeContext& context)
      : root_(root), rope_(std::move(rope)), context_(context) {}

  Result<RopeConfig> Run() {
    if (rope_) RW_TRY(RefuseRepeatedKeys(*rope_));
    RW_TRY(ReadType());
    RW_TRY(ReadCommon());
    using Reader = Status (RopeParser::*)();
    static constexpr Reader kReaders[] = {// by RopeType
                                          nullptr,
                                          &RopeParser::ReadFactor,
                                          &RopeParser::ReadDynamic,
                                          &RopeParser::ReadLlama3,
                                          &RopeParser::ReadYarn,
                                          &RopeParser::ReadLongrope};
    if (const Reader reader = kReaders[static_cast<int>(config_.type)]; reader != nullptr) {
      RW_TRY((this->*reader)());
    }
    return config_;
  }

 private:
  std::optional<Json> Find(std::string_view key) const {
    return rope_ ? FindPresent(*rope_, key) : std::nullopt;
  }

  // In the rope object, or else at the top level.
  std::optional<Json> FindHereOrAbove(std::string_view key) const {
    auto here = Find(key);
    return here ? here : FindPresent(root_, key);
  }

  Status ReadType() {
    auto value = Find("rope_type");
    if (!value) value = Find("type");  // the older key
    if (!value) return {};
    const auto name = value->AsString();
    const auto types = TypesFor(context_);
    const auto row = std::find_if(types.begin(), types.end(),
                                  [&](const TypeRow& type) { return name && type.name == *name; });
    if (row != types.end()) {
      config_.type = row->type;
      return {};
    }
    std::string supported;
    for (const TypeRow& type : types) {
      fmt::format_to(std::back_inserter(supported), "{}{}", supported.empty() ? "" : ", ",
                     type.name);
    }
    return value->Expected("one of the supported rope types " + supported);
  }

  Status ReadCommon() {
    if (const auto theta = FindHereOrAbove("rope_theta")) {
      RW_ASSIGN(config_.theta, ReadNumber(*theta, kThetaRange));
    }
    const auto partial = FindHereOrAbove("partial_rotary_factor");
    if (partial) {
      RW_ASSIGN(config_.partial_rotary_factor, ReadNumber(*partial, {1e-6, 1.0}));
      if (config_.partial_rotary_factor != 1.0 && !context_.phi3) {
        return partial->Expected("1 for this architecture (only Phi3ForCausalLM rotates a part)");
      }
    }
    config_.rotary_dim = static_cast<int64_t>(static_cast<double>(context_.head_dim) *
                                              config_.partial_rotary_factor);
    if (config_.rotary_dim > 0 && config_.rotary_dim % 2 == 0) return {};
    return Err(
        "{}: expected an even number of rotary dims, found {} (head_dim {}, "
        "partial_rotary_factor {})",
        partial ? partial->where() : root_.where() + ": head_dim", config_.rotary_dim,
        context_.head_dim, config_.partial_rotary_factor);
  }

  Result<Json> Need(std::string_view key) const {
    RW_ASSIGN(Json value, rope_->Get(key));  // a type other than default came from this object
    return value;
  }

  Status ReadFactor() {
    RW_ASSIGN(const Json factor, Need("factor"));
    RW_ASSIGN(config_.factor, ReadNumber(factor, kScaleRange));
    return {};
  }

  Status ReadDynamic() {
    RW_TRY(ReadFactor());
    // base * (...)^(dim / (dim - 2)) has no value for 2.
    if (config_.rotary_dim > 2) return {};
    return Err("{}: expected more than 2 rotary dims for rope type dynamic, found {}",
               rope_->where(), config_.rotary_dim);
  }

  // The top-level key goes first, as in RotaryEmbeddingConfigMixin.standardize_rope_params
  // (modeling_rope_utils.py); Phi-3's class always has it.
  Status ReadOriginalLength() {
    auto value = FindPresent(root_, "original_max_position_embeddings");
    int64_t absent = context_.default_original_max_position_embeddings;
    if (absent == 0) {
      absent = context_.max_position_embeddings;
      if (!value) value = Find("original_max_position_embeddings");
    }
    config_.original_max_position_embeddings = absent;
    if (value) {
      RW_ASSIGN(config_.original_max_position_embeddings, ReadInt(*value, {2, kMaxLength}));
    }
    return {};
  }

  // The factor, or the growth in length where the file does not say.
  Status ReadFactorOrRatio() {
    const double ratio = static_cast<double>(context_.max_position_embeddings) /
                         static_cast<double>(config_.original_max_position_embeddings);
    config_.factor = std::clamp(ratio, kScaleRange.min, kScaleRange.max);
    if (const auto factor = Find("factor")) {
      RW_ASSIGN(config_.factor, ReadNumber(*factor, kScaleRange));
    }
    RW_ASSIGN(config_.attention_factor, OptionalNumber(*rope_, "attention_factor", kScaleRange));
    return {};
  }

  Status ReadLlama3() {
    RW_TRY(ReadFactor());
    RW_TRY(ReadOriginalLength());
    RW_ASSIGN(const Json low, Need("low_freq_factor"));
    RW_ASSIGN(const Json high, Need("high_freq_factor"));
    RW_ASSIGN(config_.low_freq_factor, ReadNumber(low, kScaleRange));
    RW_ASSIGN(config_.high_freq_factor, ReadNumber(high, kScaleRange));
    if (config_.high_freq_factor > config_.low_freq_factor) return {};
    return high.Expected(fmt::format("more than low_freq_factor ({})", config_.low_freq_factor));
  }

  Status ReadYarn() {
    RW_TRY(ReadOriginalLength());
    RW_TRY(ReadFactorOrRatio());
    if (config_.theta < 1.5) {  // the correction range divides by log(theta)
      return Err("{}: expected a rope_theta of at least 1.5 for rope type yarn, found {}",
                 rope_->where(), config_.theta);
    }
    // 0 stands for absent in these, as in _compute_yarn_parameters.
    const auto positive = [&](std::string_view key, double absent) -> Result<double> {
      RW_ASSIGN(const double number, NumberOr(*rope_, key, {0.0, kScaleRange.max}, absent));
      return number > 0 ? std::max(number, kScaleRange.min) : absent;
    };
    RW_ASSIGN(config_.beta_fast, positive("beta_fast", 32.0));
    RW_ASSIGN(config_.beta_slow, positive("beta_slow", 1.0));
    if (config_.beta_fast < config_.beta_slow) {
      return Err("{}: expected beta_fast to be at least beta_slow, found {} and {}", rope_->where(),
                 config_.beta_fast, config_.beta_slow);
    }
    const NumberRange range = {0.0, kScaleRange.max};
    RW_ASSIGN(config_.mscale, OptionalNumber(*rope_, "mscale", range));
    RW_ASSIGN(config_.mscale_all_dim, OptionalNumber(*rope_, "mscale_all_dim", range));
    RW_ASSIGN(config_.truncate, BoolOr(*rope_, "truncate", true));
    return {};
  }

  Status ReadLongrope() {
    RW_TRY(ReadOriginalLength());
    RW_TRY(ReadFactorOrRatio());
    RW_ASSIGN(config_.short_factor, ReadFactors("short_factor"));
    RW_ASSIGN(config_.long_factor, ReadFactors("long_factor"));
    return {};
  }

  Result<std::vector<double>> ReadFactors(std::string_view key) const {
    RW_ASSIGN(const Json list, Need(key));
    std::vector<double> factors;
    RW_TRY(list.ForEachElement([&](size_t, Json value) -> Status {
      RW_ASSIGN(const double factor, ReadNumber(value, kScaleRange));
      factors.push_back(factor);
      return {};
    }));
    const auto wanted = static_cast<size_t>(config_.rotary_dim / 2);
    if (factors.size() == wanted) return factors;
    return Err("{}: expected {} numbers, half the {} rotary dims, found {}", list.where(), wanted,
               config_.rotary_dim, factors.size());
  }

  const Json& root_;
  std::optional<Json> rope_;
  const RopeContext& context_;
  RopeConfig config_;
};

// The objects of rope keys by layer type (rope_parameters: {"full_attention": {...}, ...}), or
// empty if `rope` is itself one object for all layers.
Result<std::vector<Json>> PerLayerType(const Json& rope) {
  std::vector<Json> objects;
  RW_TRY(rope.ForEachMember([&](std::string_view, Json value) -> Status {
    if (value.is_object()) objects.push_back(std::move(value));
    return {};
  }));
  return objects;
}

}  // namespace

std::string_view Name(RopeType type) { return kTypes[static_cast<size_t>(type)].name; }

Result<RopeConfig> ParseRopeConfig(const Json& root, const RopeContext& context) {
  // A non-empty rope_scaling goes first where there are both (convert_rope_params_to_dict).
  std::optional<Json> rope;
  for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
    auto value = FindPresent(root, key);
    if (!value) continue;
    if (!value->is_object()) return value->Expected("an object");
    bool empty = true;
    RW_TRY(value->ForEachMember([&](std::string_view, const Json&) -> Status {
      empty = false;
      return {};
    }));
    if (empty) continue;
    rope = std::move(value);
    break;
  }
  if (!rope) return RopeParser(root, std::nullopt, context).Run();

  RW_ASSIGN(const std::vector<Json> objects, PerLayerType(*rope));
  if (objects.empty()) return RopeParser(root, rope, context).Run();
  RW_ASSIGN(const RopeConfig first, RopeParser(root, objects[0], context).Run());
  for (const Json& object : objects) {
    RW_ASSIGN(const RopeConfig other, RopeParser(root, object, context).Run());
    if (!(other == first)) {
      return Err(
          "{}: expected the same rope parameters for all layer types, found them to differ "
          "from {}",
          object.where(), objects[0].where());
    }
  }
  return first;
}

}  // namespace rw
