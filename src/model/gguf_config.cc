#include "model/gguf_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "model/architecture.h"

namespace rw {
namespace {

struct ArchitectureName {
  std::string_view gguf;
  Architecture architecture;
};
constexpr std::array kNames = {
    ArchitectureName{"llama", Architecture::kLlama},  // and kMistral, see ReadArchitecture
    ArchitectureName{"qwen2", Architecture::kQwen2},
    ArchitectureName{"qwen3", Architecture::kQwen3},
    ArchitectureName{"phi3", Architecture::kPhi3},
    ArchitectureName{"gemma2", Architecture::kGemma2},
    ArchitectureName{"olmo2", Architecture::kOlmo2},
    ArchitectureName{"granite", Architecture::kGranite},
};

// Keys of gguf-py's constants.py, behind "<architecture>.", and what config.json calls them.
struct KeyRow {
  std::string_view gguf;
  std::string_view json;
  bool needed = false;
};
constexpr std::array kKeys = {
    KeyRow{"context_length", "max_position_embeddings", true},
    KeyRow{"embedding_length", "hidden_size", true},
    KeyRow{"feed_forward_length", "intermediate_size", true},
    KeyRow{"block_count", "num_hidden_layers", true},
    KeyRow{"attention.head_count", "num_attention_heads", true},
    KeyRow{"attention.layer_norm_rms_epsilon", "rms_norm_eps", true},
    KeyRow{"attn_logit_softcapping", "attn_logit_softcapping"},
    KeyRow{"final_logit_softcapping", "final_logit_softcapping"},
    KeyRow{"attention.scale", "attention_multiplier"},
    KeyRow{"embedding_scale", "embedding_multiplier"},
    KeyRow{"residual_scale", "residual_multiplier"},
    KeyRow{"logit_scale", "logits_scaling"},
    KeyRow{"rope.freq_base", "rope_theta"},
};

// Gemma-2 27B scales scores by its width over its heads, the smaller ones by a head's width; the
// file says neither. llama.cpp (models/gemma2.cpp) knows it by its layers.
constexpr int64_t kLayersOfGemma2_27B = 46;

// Tokens that end an answer though eos_token_id is another, by their text, as llama.cpp finds them
// (llama-vocab.cpp, special_eog_ids).
constexpr std::array<std::string_view, 9> kEndTexts = {
    "<|eot_id|>",      "<|im_end|>", "<|end|>", "<end_of_turn>",      "<|endoftext|>",
    "<|end_of_text|>", "<|eom_id|>", "<EOT>",   "<end_of_utterance>",
};
constexpr std::array<std::string_view, 3> kEndKeys = {"eos_token_id", "eot_token_id",
                                                      "eom_token_id"};
constexpr double kControl = 3;  // in tokenizer.ggml.token_type

class ConfigWriter {
 public:
  explicit ConfigWriter(const GgufModel& model) : model_(model) {}

  Result<ModelConfig> Run() {
    RW_TRY(ReadArchitecture());
    RW_TRY(CopyKeys());
    RW_TRY(WriteHeads());
    RW_TRY(WriteWindow());
    RW_TRY(WriteRope());
    RW_TRY(WriteTokens());
    Add("tie_word_embeddings", model_.FindTensor("output.weight") ? "false" : "true");
    RW_ASSIGN(const JsonDocument document,
              JsonDocument::Parse("{" + json_ + "}", model_.name() + " as config.json"));
    RW_ASSIGN(ModelConfig config, ParseModelConfig(document.root()));
    config.qkv_bias = HasBias("attn_q") || HasBias("attn_qkv");
    config.o_bias = HasBias("attn_output");
    config.mlp_bias = HasBias("ffn_down");
    config.norms_hold_one = config.architecture == Architecture::kGemma2;
    const DType stored =
        model_.FindTensor("token_embd.weight")->info->type->dtype.value_or(DType::kI32);
    if (!IsPacked(stored) && stored != DType::kI32) config.dtype = stored;
    return config;
  }

 private:
  void Add(std::string_view key, std::string_view json) {
    json_ += fmt::format("{}\"{}\":{}", json_.empty() ? "" : ",", key, json);
  }

  std::string Key(std::string_view key) const { return fmt::format("{}.{}", prefix_, key); }
  std::optional<GgufValue> Find(std::string_view key) const { return model_.Find(Key(key)); }

  Result<int64_t> IntOr(std::string_view key, int64_t absent) const {
    const auto value = Find(key);
    if (!value) return absent;
    return value->AsInt();
  }

  bool HasBias(std::string_view name) const {
    return model_.FindTensor(fmt::format("blk.0.{}.bias", name)).has_value();
  }

  Status ReadArchitecture() {
    RW_ASSIGN(const GgufValue value, model_.Get("general.architecture"));
    RW_ASSIGN(prefix_, value.AsString());
    const auto row = std::ranges::find(kNames, prefix_, &ArchitectureName::gguf);
    if (row == kNames.end()) {
      std::string names;
      for (const ArchitectureName& name : kNames) {
        names.append(names.empty() ? "" : ", ").append(name.gguf);
      }
      return value.Expected(fmt::format("a supported architecture ({})", names));
    }
    architecture_ = row->architecture;
    RW_ASSIGN(const int64_t experts, IntOr("expert_count", 0));
    if (experts > 0) return Find("expert_count")->Expected("no experts");
    RW_ASSIGN(window_, IntOr("attention.sliding_window", 0));
    // Mistral's models are llama to the converter; a window is all that tells them apart.
    if (architecture_ == Architecture::kLlama && window_ > 0) {
      architecture_ = Architecture::kMistral;
    }
    Add("architectures", fmt::format("[\"{}\"]", Name(architecture_)));
    Add("model_type", fmt::format("\"{}\"", RowOf(architecture_).model_type));
    return {};
  }

  Status CopyKeys() {
    for (const auto& [gguf, json, needed] : kKeys) {
      const auto value = Find(gguf);
      if (!value) {
        if (needed) RW_TRY(model_.Get(Key(gguf)));
        continue;
      }
      RW_ASSIGN(const std::string number, value->NumberText());
      Add(json, number);
    }
    const auto embedding = model_.FindTensor("token_embd.weight");
    if (!embedding) return Err("{}: expected tensor token_embd.weight, not found", model_.name());
    Add("vocab_size", fmt::format("{}", embedding->info->rows()));
    return {};
  }

  Status WriteHeads() {
    RW_ASSIGN(const int64_t hidden, IntOr("embedding_length", 0));
    RW_ASSIGN(const int64_t heads, IntOr("attention.head_count", 0));
    RW_ASSIGN(const int64_t kv_heads, IntOr("attention.head_count_kv", heads));
    RW_ASSIGN(head_dim_, IntOr("attention.key_length", heads > 0 ? hidden / heads : 0));
    RW_ASSIGN(const int64_t value_dim, IntOr("attention.value_length", head_dim_));
    if (value_dim != head_dim_) {
      return Find("attention.value_length")
          ->Expected(fmt::format("as many as attention.key_length ({})", head_dim_));
    }
    Add("num_key_value_heads", fmt::format("{}", kv_heads));
    Add("head_dim", fmt::format("{}", head_dim_));
    if (architecture_ != Architecture::kGemma2) return {};
    RW_ASSIGN(const int64_t layers, IntOr("block_count", 0));
    const bool wide = layers == kLayersOfGemma2_27B && heads > 0;
    Add("query_pre_attn_scalar", fmt::format("{}", wide ? hidden / heads : head_dim_));
    return {};
  }

  Status WriteWindow() {
    if (architecture_ == Architecture::kOlmo2 && window_ > 0) {
      return Find("attention.sliding_window")->Expected("no window (OLMo-3 is not read)");
    }
    const bool absent = !Find("attention.sliding_window");
    if (absent) return {};  // then the class's own holds, as in llama.cpp
    Add("sliding_window", window_ > 0 ? fmt::format("{}", window_) : "null");
    return {};
  }

  Status WriteRope() {
    RW_ASSIGN(const int64_t rotary, IntOr("rope.dimension_count", head_dim_));
    if (rotary != head_dim_ && head_dim_ > 0) {
      double part = static_cast<double>(rotary) / static_cast<double>(head_dim_);
      // What is read multiplies it again and rounds down.
      if (part * static_cast<double>(head_dim_) < static_cast<double>(rotary)) {
        part = std::nextafter(part, 2.0);
      }
      Add("partial_rotary_factor", fmt::format("{}", part));
    }
    if (model_.FindTensor("rope_freqs.weight")) return WriteFrequencies();
    if (model_.FindTensor("rope_factors_long.weight")) return WriteLongrope();
    return WriteScaling();
  }

  Status WriteFrequencies() {
    RW_ASSIGN(const std::string divisors, NumbersOf("rope_freqs.weight"));
    RW_ASSIGN(const int64_t length, IntOr("context_length", 0));
    Add("rope_scaling", fmt::format("{{\"rope_type\":\"longrope\",\"short_factor\":{0},"
                                    "\"long_factor\":{0},\"factor\":1,\"attention_factor\":1,"
                                    "\"original_max_position_embeddings\":{1}}}",
                                    divisors, length));
    return {};
  }

  Status WriteLongrope() {
    RW_ASSIGN(const std::string long_factor, NumbersOf("rope_factors_long.weight"));
    RW_ASSIGN(const std::string short_factor, NumbersOf("rope_factors_short.weight"));
    std::string rope = fmt::format(
        "\"rope_type\":\"longrope\",\"short_factor\":{},"
        "\"long_factor\":{}",
        short_factor, long_factor);
    RW_TRY(AppendNumber("rope.scaling.attn_factor", "attention_factor", rope));
    Add("rope_scaling", "{" + rope + "}");
    RW_ASSIGN(const GgufValue length, model_.Get(Key("rope.scaling.original_context_length")));
    RW_ASSIGN(const std::string text, length.NumberText());
    Add("original_max_position_embeddings", text);
    return {};
  }

  Status WriteScaling() {
    const auto type = Find("rope.scaling.type");
    std::string_view name = "none";
    if (type) {
      RW_ASSIGN(name, type->AsString());
    }
    std::string rope = fmt::format("\"rope_type\":\"{}\"", name);
    if (name == "linear") {
      RW_TRY(AppendNumber("rope.scaling.factor", "factor", rope));
    } else if (name == "yarn") {
      RW_TRY(AppendNumber("rope.scaling.factor", "factor", rope));
      RW_TRY(AppendNumber("rope.scaling.original_context_length",
                          "original_max_position_embeddings", rope));
      RW_TRY(AppendNumber("rope.scaling.yarn_attn_factor", "attention_factor", rope));
      RW_TRY(AppendNumber("rope.scaling.yarn_beta_fast", "beta_fast", rope));
      RW_TRY(AppendNumber("rope.scaling.yarn_beta_slow", "beta_slow", rope));
    } else if (name == "none") {
      return {};
    } else {
      return type->Expected("none, linear or yarn, or factors in tensors of the file");
    }
    Add("rope_scaling", "{" + rope + "}");
    return {};
  }

  Status AppendNumber(std::string_view key, std::string_view json_key, std::string& json) const {
    const auto value = Find(key);
    if (!value) return {};
    RW_ASSIGN(const std::string number, value->NumberText());
    json += fmt::format(",\"{}\":{}", json_key, number);
    return {};
  }

  // A small f32 tensor as a JSON array.
  Result<std::string> NumbersOf(const std::string& name) const {
    const auto tensor = model_.FindTensor(name);
    if (!tensor) return Err("{}: expected tensor {}, not found", model_.name(), name);
    constexpr int64_t kMost = 1 << 14;
    const GgufTensor& info = *tensor->info;
    if (info.type->dtype != DType::kF32 || info.rows() != 1 || info.width() > kMost) {
      return Err("{}: tensor {}: expected up to {} F32 numbers, found {} rows of {} of {}",
                 model_.name(), name, kMost, info.rows(), info.width(), info.type->name);
    }
    std::string list;
    for (int64_t i = 0; i < info.width(); ++i) {
      float number = 0;
      std::memcpy(&number, tensor->data().data() + i * sizeof(number), sizeof(number));
      if (!std::isfinite(number)) {
        return Err("{}: tensor {}: expected finite numbers, found {} at {}", model_.name(), name,
                   number, i);
      }
      list += fmt::format("{}{}", list.empty() ? "" : ",", number);
    }
    return "[" + list + "]";
  }

  Status WriteTokens() {
    if (const auto bos = model_.Find("tokenizer.ggml.bos_token_id")) {
      RW_ASSIGN(const std::string id, bos->NumberText());
      Add("bos_token_id", id);
    } else {
      Add("bos_token_id", "null");
    }
    std::string ends;
    const auto add = [&](std::string_view id) {
      ends += fmt::format("{}{}", ends.empty() ? "" : ",", id);
    };
    for (const std::string_view key : kEndKeys) {
      if (const auto value = model_.Find(fmt::format("tokenizer.ggml.{}", key))) {
        RW_ASSIGN(const std::string id, value->NumberText());
        add(id);
      }
    }
    RW_ASSIGN(const std::vector<size_t> by_text, EndsByText());
    for (const size_t id : by_text) add(fmt::format("{}", id));
    Add("eos_token_id", "[" + ends + "]");
    return {};
  }

  Result<std::vector<size_t>> EndsByText() const {
    std::vector<size_t> ids;
    const auto tokens = model_.Find("tokenizer.ggml.tokens");
    const auto types = model_.Find("tokenizer.ggml.token_type");
    if (!tokens || !types) return ids;
    std::vector<bool> control(types->count());
    RW_TRY(types->ForEachNumber([&](size_t id, double type) -> Status {
      control[id] = type == kControl;
      return {};
    }));
    RW_TRY(tokens->ForEachString([&](size_t id, std::string_view text) -> Status {
      if (id < control.size() && control[id] &&
          std::ranges::find(kEndTexts, text) != kEndTexts.end()) {
        ids.push_back(id);
      }
      return {};
    }));
    return ids;
  }

  const GgufModel& model_;
  std::string_view prefix_;  // general.architecture, before the others' keys
  Architecture architecture_ = Architecture::kLlama;
  int64_t window_ = 0;
  int64_t head_dim_ = 0;
  std::string json_;
};

}  // namespace

Result<ModelConfig> GgufModelConfig(const GgufModel& model) { return ConfigWriter(model).Run(); }

bool GgufSwapsRopeRows(Architecture architecture) {
  return architecture == Architecture::kLlama || architecture == Architecture::kMistral ||
         architecture == Architecture::kGranite;
}

}  // namespace rw
