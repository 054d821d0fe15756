// GGUF twins of the golden models: the same graph and the same bits as the folder gives.
#include "engine/gguf_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/packed.h"
#include "engine/verify.h"
#include "import/import.h"
#include "model/gguf_config.h"
#include "model/gguf_names.h"
#include "model/gguf_testing.h"

namespace rw {
namespace {

using testing::HasSubstr;

const std::string kGolden = RW_SOURCE_DIR "/tests/golden/";

struct Case {
  const char* model;
  const char* arch;
};
constexpr Case kCases[] = {
    {"llama", "llama"},      {"llama_linear", "llama"}, {"llama_yarn", "llama"},
    {"llama_bias", "llama"}, {"mistral", "llama"},      {"qwen2", "qwen2"},
    {"qwen3", "qwen3"},      {"phi3", "phi3"},          {"phi3_longrope", "phi3"},
    {"gemma2", "gemma2"},    {"olmo2", "olmo2"},        {"granite", "granite"},
};

std::string Floats(const std::vector<double>& numbers) {
  std::string bytes;
  for (const double number : numbers) bytes += GgufNumber(static_cast<float>(number));
  return bytes;
}

// A model's tensors and keys as llama.cpp's converter would write them.
class Twin {
 public:
  Twin(const Case& c, const ModelConfig& config) : config_(config), arch_(c.arch) {
    WriteKeys();
    WriteRope();
  }

  // `data` is bf16.
  void AddTensor(const std::string& name, const TensorView& view) {
    const auto rows = view.rows();
    const auto row_bytes = static_cast<size_t>(view.width()) * sizeof(BF16);
    std::string data;
    const bool permuted = (arch_ == "llama" || arch_ == "granite") &&
                          (name.find("q_proj") != name.npos || name.find("k_proj") != name.npos);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t from = permuted ? Permuted(row) : row;
      data.append(reinterpret_cast<const char*>(view.data) + from * row_bytes, row_bytes);
    }
    const std::string gguf = *GgufTensorName(config_.architecture, name);
    std::vector<int64_t> shape(view.dims.begin(), view.dims.begin() + view.rank);
    if (shape.size() == 2) {
      bytes_.Tensor(gguf, shape, 30, data);
      return;
    }
    std::string wide;
    const float one = arch_ == "gemma2" && name.ends_with("norm.weight") ? 1.0f : 0.0f;
    for (size_t i = 0; i < data.size(); i += 2) {
      BF16 value{};
      std::memcpy(&value, data.data() + i, sizeof(value));
      wide += GgufNumber(ToFloat(value) + one);
    }
    bytes_.Tensor(gguf, shape, 0, wide);
  }

  std::string Bytes() const { return bytes_.Bytes(); }

 private:
  // Which row of the checkpoint stands at `row`: reshape(heads, 2, d / 2).swapaxes(1, 2).
  int64_t Permuted(int64_t row) const {
    const int64_t d = config_.head_dim;
    const int64_t pair = row % d / 2;
    return row / d * d + row % 2 * (d / 2) + pair;
  }

  std::string Key(std::string_view key) const { return arch_ + "." + std::string(key); }
  void Whole(std::string_view key, int64_t value) {
    bytes_.Whole(Key(key), static_cast<uint32_t>(value));
  }
  void Float(std::string_view key, double value) {
    bytes_.Float(Key(key), static_cast<float>(value));
  }

  void WriteKeys() {
    bytes_.Text("general.architecture", arch_);
    Whole("context_length", config_.max_position_embeddings);
    Whole("embedding_length", config_.hidden_size);
    Whole("feed_forward_length", config_.intermediate_size);
    Whole("block_count", config_.num_layers);
    Whole("attention.head_count", config_.num_q_heads);
    Whole("attention.head_count_kv", config_.num_kv_heads);
    Whole("attention.key_length", config_.head_dim);
    Float("attention.layer_norm_rms_epsilon", config_.rms_norm_eps);
    if (config_.window[0] > 0) Whole("attention.sliding_window", config_.window[0]);
    if (arch_ == "gemma2") {
      Float("attn_logit_softcapping", *config_.attn_logit_softcapping);
      Float("final_logit_softcapping", *config_.final_logit_softcapping);
    }
    if (arch_ != "granite") return;
    Float("attention.scale", config_.attention_scale);
    Float("embedding_scale", config_.embedding_multiplier);
    Float("residual_scale", config_.residual_multiplier);
    Float("logit_scale", config_.logits_scaling);
  }

  void WriteRope() {
    const RopeConfig& rope = config_.rope;
    Whole("rope.dimension_count", rope.rotary_dim);
    Float("rope.freq_base", rope.theta);
    if (rope.type == RopeType::kLinear || rope.type == RopeType::kYarn) {
      bytes_.Text(Key("rope.scaling.type"), Name(rope.type));
      Float("rope.scaling.factor", rope.factor);
    }
    if (arch_ == "phi3" || rope.type == RopeType::kYarn) {
      const int64_t original = rope.original_max_position_embeddings;
      Whole("rope.scaling.original_context_length",
            original > 0 ? original : config_.max_position_embeddings);
    }
    if (rope.type != RopeType::kLongrope) return;
    const auto count = std::ssize(rope.long_factor);
    bytes_.Tensor("rope_factors_long.weight", {count}, 0, Floats(rope.long_factor));
    bytes_.Tensor("rope_factors_short.weight", {count}, 0, Floats(rope.short_factor));
  }

  const ModelConfig& config_;
  std::string arch_;
  GgufBytes bytes_;
};

// The weights that a model asks for, with their dims.
using Asked = std::vector<std::pair<std::string, std::vector<int64_t>>>;

std::string GraphText(const ModelConfig& config, const Weights& weights, Asked& asked) {
  const WeightLookup lookup = [&](const std::string& name,
                                  std::span<const int64_t> dims) -> Result<DType> {
    RW_TRY(weights.TypeOf(name, dims));
    asked.emplace_back(name, std::vector<int64_t>(dims.begin(), dims.end()));
    return DType::kBF16;  // vectors are f32 in the twin
  };
  const auto graph = ImportModel(config, lookup, {});
  return graph ? Print(*graph) : graph.error().message;
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::vector<float> AsFloats(const TensorView& view) {
  std::vector<float> out;
  for (int64_t i = 0; i < view.size(); ++i) {
    out.push_back(view.dtype == DType::kF32 ? reinterpret_cast<const float*>(view.data)[i]
                                            : ToFloat(reinterpret_cast<const BF16*>(view.data)[i]));
  }
  return out;
}

class GgufTwin : public ::testing::TestWithParam<Case> {};

TEST_P(GgufTwin, IsTheSameModel) {
  const std::string dir = kGolden + "models/" + GetParam().model;
  const auto config = LoadModelConfig(dir);
  ASSERT_TRUE(config) << config.error().message;
  auto checkpoint = Checkpoint::Open(dir);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  Twin twin(GetParam(), *config);
  for (const std::string& name : checkpoint->names()) {
    twin.AddTensor(name, *checkpoint->Get(name));
  }
  const std::string bytes = twin.Bytes();
  auto gguf = GgufModel::Parse(std::as_bytes(std::span(bytes)), "twin.gguf");
  ASSERT_TRUE(gguf) << gguf.error().message;
  const auto twin_config = GgufModelConfig(*gguf);
  ASSERT_TRUE(twin_config) << twin_config.error().message;
  EXPECT_EQ(twin_config->rope.type, config->rope.type);
  for (const int64_t length : {int64_t{10}, int64_t{400}}) {
    const RopeFrequencies expected = ComputeRopeFrequencies(*config, length);
    const RopeFrequencies found = ComputeRopeFrequencies(*twin_config, length);
    EXPECT_EQ(found.inv_freq, expected.inv_freq);
    EXPECT_EQ(found.attention_scaling, expected.attention_scaling);
  }

  const auto folder = CheckpointWeights(*std::move(checkpoint));
  ThreadPool pool(2);
  const auto loaded = LoadGgufWeights(*gguf, *twin_config, pool);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto lazy = GgufWeights(*gguf, *twin_config);
  Asked asked, asked_of_twin;
  const bool gemma = config->architecture == Architecture::kGemma2;
  EXPECT_EQ(GraphText(*twin_config, **loaded, asked_of_twin),
            Replaced(GraphText(*config, *folder, asked), "\"gemma\"", "\"olmo\""));
  EXPECT_EQ(asked_of_twin, asked);
  for (const auto& [name, dims] : asked) {
    std::vector<float> expected = AsFloats(*folder->Get(name, dims));
    if (gemma && name.ends_with("norm.weight")) {
      for (float& w : expected) w = 1.0f + w;  // what style gemma multiplies by
    }
    EXPECT_EQ(AsFloats(*(*loaded)->Get(name, dims)), expected) << name;
    EXPECT_EQ(AsFloats(*lazy->Get(name, dims)), expected) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, GgufTwin, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.model); });

// Files that llama.cpp's own package wrote (tools/golden/make_gguf.py).
class GgufFile : public ::testing::TestWithParam<const char*> {};

TEST_P(GgufFile, GivesTheBitsOfTheFolder) {
  const std::string dir = kGolden + "models/" + GetParam();
  const auto golden = SafetensorsFile::Open(dir + "/golden.safetensors");
  ASSERT_TRUE(golden);
  ThreadPool pool(2);
  std::vector<VerifyReport> reports;
  for (const std::string& model : {dir, kGolden + "gguf/" + GetParam() + ".gguf"}) {
    const auto config = LoadModelConfig(model);
    ASSERT_TRUE(config) << config.error().message;
    auto weights = OpenWeights(model, *config);
    ASSERT_TRUE(weights) << weights.error().message;
    VerifyOptions options;
    const auto report = VerifyModel(*config, *weights, *golden, options, pool);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->ok());
    reports.push_back(*report);
  }
  ASSERT_EQ(reports[0].tensors.size(), reports[1].tensors.size());
  for (size_t i = 0; i < reports[0].tensors.size(); ++i) {
    EXPECT_EQ(reports[1].tensors[i].error, reports[0].tensors[i].error);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, GgufFile, ::testing::Values("llama_yarn", "gemma2"));

// A llama of one head of 4 rows over 32 columns in q8_0, row r all r + 1.
std::string Quantized() {
  std::string rows;
  for (int r = 0; r < 64; ++r) rows += GgufNumber(uint16_t{0x3c00}) + std::string(32, char(r + 1));
  return GgufBytes()
      .Tensor("blk.0.attn_q.weight", {64, 32}, 8, rows)
      .Tensor("blk.0.attn_v.weight", {64, 32}, 8, rows)
      .Tensor("blk.0.attn_output.weight", {32, 32}, 3, std::string(32 * 20, '\0'))
      .Tensor("output_norm.weight", {32}, 8, std::string(34, '\0'))
      .Bytes();
}

ModelConfig HeadsOf4() {
  ModelConfig config;
  config.head_dim = 4;
  return config;
}

std::vector<float> FirstColumn(const TensorView& view) {
  std::vector<float> out;
  for (int64_t r = 0; r < view.rows(); ++r) {
    std::vector<float> row(view.width());
    UnpackRow(view.dtype, view.data, view.width(), r, row.data());
    out.push_back(row[0]);
  }
  return out;
}

TEST(GgufWeights, PacksQuantizedRowsInTheirOrder) {
  const std::string bytes = Quantized();
  auto model = GgufModel::Parse(std::as_bytes(std::span(bytes)), "q.gguf");
  ASSERT_TRUE(model) << model.error().message;
  ThreadPool pool(2);
  uint64_t heard = 0;
  const auto weights = LoadGgufWeights(*model, HeadsOf4(), pool, [&](uint64_t done, uint64_t all) {
    EXPECT_LE(done, all);
    heard = done;
  });
  ASSERT_TRUE(weights) << weights.error().message;
  EXPECT_EQ(heard, 2 * 64 * 34u);
  const std::vector<int64_t> dims = {64, 32};
  const auto v = (*weights)->Get("model.layers.0.self_attn.v_proj.weight", dims);
  ASSERT_TRUE(v);
  EXPECT_EQ(v->dtype, DType::kI8G32);
  EXPECT_THAT(FirstColumn(*v), testing::Each(testing::Ge(1)));
  EXPECT_EQ(FirstColumn(*v)[5], 6);
  const auto q = (*weights)->Get("model.layers.0.self_attn.q_proj.weight", dims);
  ASSERT_TRUE(q);
  const std::vector<float> first = FirstColumn(*q);
  // In the file a head has dims 0, 2, 1, 3.
  EXPECT_EQ(std::vector<float>(first.begin(), first.begin() + 8),
            (std::vector<float>{1, 3, 2, 4, 5, 7, 6, 8}));
}

TEST(GgufWeights, SaysWhatIsWrong) {
  const std::string bytes = Quantized();
  auto model = GgufModel::Parse(std::as_bytes(std::span(bytes)), "q.gguf");
  ASSERT_TRUE(model);
  const auto weights = GgufWeights(*model, HeadsOf4());
  const auto error = [&](const std::string& name, std::vector<int64_t> dims) {
    const auto type = weights->TypeOf(name, dims);
    return type ? "(no error)" : type.error().message;
  };
  EXPECT_EQ(error("model.layers.0.self_attn.o_proj.weight", {32, 32}),
            "q.gguf: tensor blk.0.attn_output.weight: expected one of the types F32, F16, Q4_0, "
            "Q5_0, Q8_0, Q4_K, Q6_K, BF16, found Q4_1: take another of the model's files, or make "
            "one with llama-quantize");
  EXPECT_THAT(error("model.norm.weight", {32}),
              HasSubstr("tensor output_norm.weight: expected F32, F16 or BF16, found Q8_0"));
  EXPECT_THAT(error("model.layers.0.self_attn.v_proj.weight", {32, 32}),
              HasSubstr("expected the shape [32,32] that the file's keys ask for, found [64,32]"));
  EXPECT_THAT(error("lm_head.weight", {64, 32}),
              HasSubstr("tensor output.weight: expected among the model's 4 tensors, not found"));
  EXPECT_TRUE(weights->Numbers("model.layers.0.self_attn.k_proj.k_scale")->empty());
}

}  // namespace
}  // namespace rw
