#include "model/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "model/architecture.h"
#include "model/json_fields.h"

namespace rw {
namespace {

// Far above any model there is, and low enough that products of two sizes, in bytes, fit 64 bits
// and positions fit 32.
constexpr IntRange kLayers = {1, 10'000};
constexpr IntRange kHeads = {1, 1 << 16};
constexpr IntRange kHeadDim = {1, 1 << 14};
constexpr IntRange kLength = {1, 1 << 30};
constexpr IntRange kTokenId = {0, INT32_MAX};

struct SizeKey {
  std::string_view key;
  IntRange range;
  int64_t ModelConfig::*field;
};
// Without these there is no model; transformers would assume those of a 7B one.
constexpr std::array kSizes = {
    SizeKey{"vocab_size", {1, 1 << 28}, &ModelConfig::vocab_size},
    SizeKey{"hidden_size", {1, 1 << 20}, &ModelConfig::hidden_size},
    SizeKey{"intermediate_size", {1, 1 << 24}, &ModelConfig::intermediate_size},
    SizeKey{"num_hidden_layers", kLayers, &ModelConfig::num_layers},
    SizeKey{"num_attention_heads", kHeads, &ModelConfig::num_q_heads},
};

// Keys that change what the weights mean in ways this build does not know. null, false and {} are
// as good as absent.
struct RefusedKey {
  std::string_view key;
  std::string_view supported;
};
constexpr RefusedKey kRefused[] = {
    {"quantization_config", "no quantization: this build reads F32, F16 and BF16 weights"},
    {"compression_config", "no quantization: this build reads F32, F16 and BF16 weights"},
    {"per_layer_config", "the same configuration for all layers"},
    {"use_bidirectional_attention", "causal attention"},
};

struct ActivationName {
  std::string_view name;
  Activation activation;
};
// Names of transformers' ACT2FN (activations.py) for the functions this build has.
constexpr std::array kActivations = {
    ActivationName{"silu", Activation::kSilu},
    ActivationName{"gelu_pytorch_tanh", Activation::kGeluTanh},
    ActivationName{"gelu", Activation::kGelu},
    ActivationName{"swish", Activation::kSilu},
    ActivationName{"gelu_python_tanh", Activation::kGeluTanh},
    ActivationName{"gelu_python", Activation::kGelu},
};

struct DTypeName {
  std::string_view name;
  DType dtype;
};
constexpr std::array kDTypeNames = {
    DTypeName{"float32", DType::kF32},   DTypeName{"float16", DType::kF16},
    DTypeName{"bfloat16", DType::kBF16}, DTypeName{"float", DType::kF32},
    DTypeName{"half", DType::kF16},
};

// The table's names, for messages.
template <class Rows>
std::string NamesOf(const Rows& rows) {
  std::string names;
  for (const auto& row : rows) {
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  return names;
}

// The row that a JSON string names, or nullptr.
template <class Rows>
const auto* FindNamed(const Rows& rows, const Json& name) {
  const auto text = name.AsString();
  for (const auto& row : rows) {
    if (text && row.name == *text) return &row;
  }
  return static_cast<decltype(&*std::begin(rows))>(nullptr);
}

Result<const ArchitectureRow*> ReadArchitecture(const Json& root) {
  const auto rows = Architectures();
  const auto model_type = FindPresent(root, "model_type");
  if (const auto list = FindPresent(root, "architectures")) {
    RW_ASSIGN(const std::vector<Json> names, list->Elements());
    if (!names.empty()) {
      const ArchitectureRow* row = FindNamed(rows, names[0]);
      if (row == nullptr) {
        return names[0].Expected("a supported architecture (" + NamesOf(rows) + ")");
      }
      const auto type = model_type ? model_type->AsString() : row->model_type;
      if (type && *type == row->model_type) return row;
      return model_type->Expected(fmt::format("\"{}\" to go with {}", row->model_type, row->name));
    }
  }
  if (!model_type) {
    return Err("{}: architectures: expected a supported architecture ({}), found none",
               root.where(), NamesOf(rows));
  }
  const auto type = model_type->AsString();
  std::string supported;
  for (const ArchitectureRow& row : rows) {
    if (type && *type == row.model_type) return &row;
    supported += (supported.empty() ? "" : ", ") + std::string(row.model_type);
  }
  return model_type->Expected("a supported model type (" + supported + ")");
}

Status RefuseUnknownMeaning(const Json& root) {
  for (const auto& [key, supported] : kRefused) {
    const auto value = FindPresent(root, key);
    if (!value || (value->is_bool() && !*value->AsBool())) continue;
    bool empty = value->is_object();
    if (empty) {
      RW_TRY(value->ForEachMember([&](std::string_view, const Json&) -> Status {
        empty = false;
        return {};
      }));
    }
    if (empty) continue;
    if (const auto method = FindPresent(*value, "quant_method")) return method->Expected(supported);
    return value->Expected(supported);
  }
  return {};
}

Status ReadSizes(const Json& root, const ArchitectureRow& row, ModelConfig& config) {
  for (const auto& [key, range, field] : kSizes) {
    RW_ASSIGN(const Json value, root.Get(key));
    RW_ASSIGN(config.*field, ReadInt(value, range));
  }
  // An explicit null means as many as query heads also where the class has another default.
  const auto kv_heads = root.Find("num_key_value_heads");
  const bool as_query = kv_heads ? kv_heads->is_null() : row.num_kv_heads == 0;
  RW_ASSIGN(config.num_kv_heads, IntOr(root, "num_key_value_heads", kHeads,
                                       as_query ? config.num_q_heads : row.num_kv_heads));
  if (config.num_q_heads % config.num_kv_heads != 0) {
    return Err("{}: num_key_value_heads: expected a divisor of num_attention_heads ({}), found {}",
               root.where(), config.num_q_heads, config.num_kv_heads);
  }
  RW_ASSIGN(config.head_dim, IntOr(root, "head_dim", kHeadDim, row.head_dim));
  if (config.head_dim == 0) {
    if (config.hidden_size % config.num_q_heads != 0) {
      return Err(
          "{}: hidden_size: expected a multiple of num_attention_heads ({}) where head_dim "
          "is absent, found {}",
          root.where(), config.num_q_heads, config.hidden_size);
    }
    config.head_dim = config.hidden_size / config.num_q_heads;
    if (config.head_dim > kHeadDim.max) {
      return Err("{}: hidden_size: expected at most {} per head, found {}", root.where(),
                 kHeadDim.max, config.head_dim);
    }
  }
  RW_ASSIGN(config.max_position_embeddings,
            IntOr(root, "max_position_embeddings", kLength, row.max_position_embeddings));
  return {};
}

Result<bool> ReadBias(const Json& root, std::string_view key, BiasRule rule) {
  if (rule != BiasRule::kByKey) return rule == BiasRule::kAlways;
  return BoolOr(root, key, false);
}

Status ReadLayerParts(const Json& root, const ArchitectureRow& row, ModelConfig& config) {
  RW_ASSIGN(config.rms_norm_eps, NumberOr(root, "rms_norm_eps", {1e-30, 1.0}, row.rms_norm_eps));
  RW_ASSIGN(config.tie_word_embeddings,
            BoolOr(root, "tie_word_embeddings", row.tie_word_embeddings));
  RW_ASSIGN(config.qkv_bias, ReadBias(root, "attention_bias", row.qkv_bias));
  RW_ASSIGN(config.o_bias, ReadBias(root, "attention_bias", row.o_bias));
  RW_ASSIGN(config.mlp_bias, ReadBias(root, "mlp_bias", row.mlp_bias));

  const auto absent = [&](const ActivationName& named) { return named.name == row.activation; };
  config.activation = std::find_if(kActivations.begin(), kActivations.end(), absent)->activation;
  if (const auto name = FindPresent(root, row.activation_key)) {
    const ActivationName* named = FindNamed(kActivations, *name);
    if (named == nullptr) {
      return name->Expected("a supported activation (" + NamesOf(kActivations) + ")");
    }
    config.activation = named->activation;
  }
  return {};
}

Status ReadNumbers(const Json& root, const ArchitectureRow& row, ModelConfig& config) {
  config.attention_scale = std::pow(static_cast<double>(config.head_dim), -0.5);
  if (row.architecture == Architecture::kGemma2) {
    RW_ASSIGN(const double scalar, NumberOr(root, "query_pre_attn_scalar", kPositive, 256.0));
    config.attention_scale = std::pow(scalar, -0.5);
  }
  for (const ArchitectureNumber& number : ArchitectureNumbers()) {
    if (number.architecture != row.architecture) continue;
    const auto value = root.Find(number.key);
    std::optional<double> found = number.absent;
    if (value && (!value->is_null() || number.optional == nullptr)) {
      RW_ASSIGN(found, ReadNumber(*value, kPositive));
    } else if (value) {
      found = std::nullopt;
    }
    if (number.optional != nullptr) {
      config.*number.optional = found;
    } else {
      config.*number.field = *found;
    }
  }
  return {};
}

// sliding_window as the class sees it: 0 where it is null or switched off.
Result<int64_t> ReadSlidingWindow(const Json& root, const ArchitectureRow& row) {
  if (row.window_rule == WindowRule::kUseSliding) {
    RW_ASSIGN(const bool use, BoolOr(root, "use_sliding_window", false));
    if (!use) return 0;
  }
  const auto value = root.Find("sliding_window");
  if (!value) return row.sliding_window;
  if (value->is_null()) return 0;
  return ReadInt(*value, kLength);
}

Status ReadLayerTypes(const Json& list, int64_t sliding, ModelConfig& config) {
  RW_ASSIGN(const std::vector<Json> types, list.Elements());
  if (types.size() != config.window.size()) {
    return Err("{}: expected one for each of {} layers, found {}", list.where(),
               config.window.size(), types.size());
  }
  for (size_t i = 0; i < types.size(); ++i) {
    const auto type = types[i].AsString();
    const bool slides = type && *type == "sliding_attention";
    if (!slides && !(type && *type == "full_attention")) {
      return types[i].Expected("full_attention or sliding_attention");
    }
    if (slides && sliding == 0) {
      return Err(
          "{}: expected full_attention, since sliding_window is null or not in use "
          "(use_sliding_window), found sliding_attention",
          types[i].where());
    }
    config.window[i] = slides ? sliding : 0;
  }
  return {};
}

Status ReadWindows(const Json& root, const ArchitectureRow& row, ModelConfig& config) {
  config.window.assign(static_cast<size_t>(config.num_layers), 0);
  if (row.window_rule == WindowRule::kNone) return {};
  RW_ASSIGN(const int64_t sliding, ReadSlidingWindow(root, row));
  if (row.window_rule == WindowRule::kEveryLayer) {
    std::fill(config.window.begin(), config.window.end(), sliding);
    return {};
  }
  if (const auto list = FindPresent(root, "layer_types")) {
    return ReadLayerTypes(*list, sliding, config);
  }
  if (row.window_rule == WindowRule::kLayerTypes) {  // every other layer, from the first on
    for (size_t i = 0; i < config.window.size(); i += 2) config.window[i] = sliding;
    return {};
  }
  RW_ASSIGN(const int64_t first, IntOr(root, "max_window_layers", {0, INT32_MAX}, 28));
  for (auto i = static_cast<size_t>(first); i < config.window.size(); ++i) {
    config.window[i] = sliding;
  }
  return {};
}

// Ids from `key`: one, a list or null. nullopt where the file has no such key.
Result<std::optional<std::vector<int64_t>>> ReadTokenIds(const Json& root, std::string_view key,
                                                         ModelConfig& config) {
  const auto value = root.Find(key);
  std::optional<std::vector<int64_t>> ids;
  if (!value) return ids;
  ids.emplace();
  if (value->is_null()) return ids;
  std::vector<Json> values = {*value};
  if (value->is_array()) {
    RW_ASSIGN(values, value->Elements());
  }
  for (const Json& id_value : values) {
    RW_ASSIGN(const int64_t id, ReadInt(id_value, kTokenId));
    if (id >= config.vocab_size) {
      config.warnings.push_back(
          fmt::format("{}: token id {} lies outside the vocabulary of {}: "
                      "ignored",
                      id_value.where(), id, config.vocab_size));
    } else if (std::find(ids->begin(), ids->end(), id) == ids->end()) {
      ids->push_back(id);
    }
  }
  return ids;
}

Status ReadSpecialTokens(const Json& root, const Json* generation, const ArchitectureRow& row,
                         ModelConfig& config) {
  const auto read = [&](std::string_view key,
                        std::optional<int64_t> absent) -> Result<std::vector<int64_t>> {
    if (generation != nullptr) {
      RW_ASSIGN(auto ids, ReadTokenIds(*generation, key, config));
      if (ids && !ids->empty()) return *ids;
    }
    RW_ASSIGN(auto ids, ReadTokenIds(root, key, config));
    if (ids) return *ids;
    if (absent && *absent < config.vocab_size) return std::vector<int64_t>{*absent};
    return std::vector<int64_t>{};
  };
  RW_ASSIGN(const std::vector<int64_t> bos, read("bos_token_id", row.bos_token_id));
  if (!bos.empty()) config.bos_token_id = bos[0];
  RW_ASSIGN(config.eos_token_ids, read("eos_token_id", row.eos_token_id));
  return {};
}

Status ReadDType(const Json& root, ModelConfig& config) {
  auto value = FindPresent(root, "dtype");
  if (!value) value = FindPresent(root, "torch_dtype");  // the older key
  if (!value) return {};
  const auto text = value->AsString();
  std::string_view name = text ? *text : std::string_view();
  if (name == "auto") return {};
  if (name.starts_with("torch.")) name.remove_prefix(6);
  for (const DTypeName& row : kDTypeNames) {
    if (row.name == name) config.dtype = row.dtype;
  }
  if (!config.dtype) return value->Expected("one of the dtypes " + NamesOf(kDTypeNames));
  return {};
}

}  // namespace

std::string_view Name(Activation activation) {
  return kActivations[static_cast<size_t>(activation)].name;  // the first three, in enum order
}

Result<ModelConfig> ParseModelConfig(const Json& root, const Json* generation) {
  RW_TRY(RefuseRepeatedKeys(root));
  if (generation != nullptr) RW_TRY(RefuseRepeatedKeys(*generation));
  RW_ASSIGN(const ArchitectureRow* row, ReadArchitecture(root));
  RW_TRY(RefuseUnknownMeaning(root));
  ModelConfig config;
  config.architecture = row->architecture;
  RW_TRY(ReadSizes(root, *row, config));
  RW_TRY(ReadLayerParts(root, *row, config));
  RW_TRY(ReadNumbers(root, *row, config));
  RW_TRY(ReadWindows(root, *row, config));
  const RopeContext context = {config.head_dim, config.max_position_embeddings,
                               row->architecture == Architecture::kPhi3,
                               row->original_max_position_embeddings};
  RW_ASSIGN(config.rope, ParseRopeConfig(root, context));
  RW_TRY(ReadDType(root, config));
  RW_TRY(ReadSpecialTokens(root, generation, *row, config));
  return config;
}

}  // namespace rw
