#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/architecture.h"
#include "model/test_files.h"

namespace rw {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

Result<ModelConfig> Parse(const std::string& text, const std::string& generation = {}) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Parse(text, "config.json"));
  if (generation.empty()) return ParseModelConfig(document.root());
  RW_ASSIGN(const JsonDocument other, JsonDocument::Parse(generation, "generation_config.json"));
  const Json root = other.root();
  return ParseModelConfig(document.root(), &root);
}

// A small model of that architecture with `more` keys ("\"key\": value, ...") put before the sizes.
std::string Text(std::string_view architecture, std::string_view more = {}) {
  return fmt::format(
      R"({{"architectures": ["{}"], {}{}"vocab_size": 320, "hidden_size": 64,
      "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4}})",
      architecture, more, more.empty() ? "" : ", ");
}

ModelConfig Must(const std::string& text, const std::string& generation = {}) {
  auto config = Parse(text, generation);
  EXPECT_TRUE(config) << config.error().message;
  return config ? *config : ModelConfig{};
}

std::string ErrorOf(const std::string& text) {
  const auto config = Parse(text);
  return config ? "(no error)" : config.error().message;
}

TEST(ModelConfig, FillsInTheDefaultsOfTheClass) {
  const ModelConfig llama = Must(Text("LlamaForCausalLM"));
  EXPECT_EQ(llama.num_kv_heads, 4);
  EXPECT_EQ(llama.head_dim, 16);
  EXPECT_EQ(llama.rms_norm_eps, 1e-6);
  EXPECT_EQ(llama.max_position_embeddings, 2048);
  EXPECT_EQ(llama.activation, Activation::kSilu);
  EXPECT_FALSE(llama.tie_word_embeddings || llama.qkv_bias || llama.o_bias || llama.mlp_bias);
  EXPECT_THAT(llama.window, ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(llama.attention_scale, 0.25);
  EXPECT_EQ(llama.bos_token_id, 1);
  EXPECT_THAT(llama.eos_token_ids, ElementsAre(2));
  EXPECT_EQ(llama.rope, (RopeConfig{.rotary_dim = 16}));
  EXPECT_FALSE(llama.dtype);

  const ModelConfig gemma = Must(Text("Gemma2ForCausalLM"));
  EXPECT_EQ(gemma.num_kv_heads, 4);
  EXPECT_EQ(gemma.head_dim, 256);
  EXPECT_TRUE(gemma.tie_word_embeddings);
  EXPECT_EQ(gemma.activation, Activation::kGeluTanh);
  EXPECT_THAT(gemma.window, ElementsAre(4096, 0, 4096, 0));
  EXPECT_EQ(gemma.attn_logit_softcapping, 50.0);
  EXPECT_EQ(gemma.final_logit_softcapping, 30.0);
  EXPECT_EQ(gemma.attention_scale, 1.0 / 16);

  const ModelConfig qwen = Must(Text("Qwen2ForCausalLM", R"("num_key_value_heads": 2)"));
  EXPECT_TRUE(qwen.qkv_bias);
  EXPECT_FALSE(qwen.o_bias);
  EXPECT_FALSE(qwen.bos_token_id);
  EXPECT_TRUE(qwen.eos_token_ids.empty());
  EXPECT_EQ(Must(Text("Olmo2ForCausalLM")).rms_norm_eps, 1e-5);
  EXPECT_THAT(Must(Text("MistralForCausalLM", R"("num_key_value_heads": null)")).window,
              Each(4096));
}

TEST(ModelConfig, ReadsEveryKey) {
  const ModelConfig config = Must(
      Text("GraniteForCausalLM",
           R"("num_key_value_heads": 2, "head_dim": 8, "rms_norm_eps": 1e-5, "hidden_act": "gelu",
         "tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true,
         "max_position_embeddings": 100.0, "attention_multiplier": 0.5, "embedding_multiplier": 12,
         "residual_multiplier": 0.22, "logits_scaling": 8.0, "torch_dtype": "bfloat16",
         "bos_token_id": 5, "eos_token_id": [7, 9, 7])"));
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.rms_norm_eps, 1e-5);
  EXPECT_EQ(config.activation, Activation::kGelu);
  EXPECT_TRUE(config.tie_word_embeddings && config.qkv_bias && config.o_bias && config.mlp_bias);
  EXPECT_EQ(config.max_position_embeddings, 100);
  EXPECT_EQ(config.attention_scale, 0.5);
  EXPECT_EQ(config.embedding_multiplier, 12.0);
  EXPECT_EQ(config.residual_multiplier, 0.22);
  EXPECT_EQ(config.logits_scaling, 8.0);
  EXPECT_EQ(config.dtype, DType::kBF16);
  EXPECT_EQ(config.bos_token_id, 5);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(7, 9));
  EXPECT_EQ(Name(config.architecture), "GraniteForCausalLM");
  EXPECT_EQ(Name(config.activation), "gelu");

  const ModelConfig gemma = Must(Text("Gemma2ForCausalLM",
                                      R"("attn_logit_softcapping": null, "hidden_act": "relu",
                                         "query_pre_attn_scalar": 64, "dtype": "torch.float16")"));
  EXPECT_FALSE(gemma.attn_logit_softcapping);
  EXPECT_EQ(gemma.final_logit_softcapping, 30.0);
  EXPECT_EQ(gemma.attention_scale, 0.125);
  EXPECT_EQ(gemma.activation, Activation::kGeluTanh);  // its class reads hidden_activation only
  EXPECT_EQ(gemma.dtype, DType::kF16);
}

TEST(ModelConfig, TakesTheModelTypeWhereThereIsNoArchitecture) {
  constexpr char kSizes[] =
      R"("vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
         "num_attention_heads": 1, "num_key_value_heads": 1})";
  EXPECT_EQ(Must(std::string(R"({"model_type": "qwen3", )") + kSizes).architecture,
            Architecture::kQwen3);
  EXPECT_EQ(
      Must(std::string(R"({"architectures": [], "model_type": "phi3", )") + kSizes).architecture,
      Architecture::kPhi3);
  EXPECT_THAT(ErrorOf(std::string(R"({"model_type": "gpt2", )") + kSizes),
              AllOf(HasSubstr("model_type: expected a supported model type (llama, mistral"),
                    HasSubstr("found \"gpt2\"")));
  EXPECT_THAT(ErrorOf(std::string("{") + kSizes), HasSubstr("architectures: expected a supported"));
  EXPECT_THAT(ErrorOf(std::string(R"({"architectures": [], )") + kSizes),
              HasSubstr("architectures: expected a supported"));
}

TEST(ModelConfig, WindowsFollowTheRulesOfTheClass) {
  const auto window = [](std::string_view architecture, std::string_view more) {
    return Must(Text(architecture, R"("num_key_value_heads": 2, )" + std::string(more))).window;
  };
  constexpr char kMixed[] =
      R"("layer_types": ["full_attention", "sliding_attention", "sliding_attention",
         "full_attention"])";
  EXPECT_THAT(window("MistralForCausalLM", R"("sliding_window": 24)"), ElementsAre(24, 24, 24, 24));
  EXPECT_THAT(window("MistralForCausalLM", R"("sliding_window": null)"), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(window("Phi3ForCausalLM", R"("sliding_window": 7)"), ElementsAre(7, 7, 7, 7));
  EXPECT_THAT(window("LlamaForCausalLM", R"("sliding_window": 7)"), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(window("Gemma2ForCausalLM", R"("sliding_window": 7)"), ElementsAre(7, 0, 7, 0));
  EXPECT_THAT(window("Gemma2ForCausalLM", std::string(R"("sliding_window": 7, )") + kMixed),
              ElementsAre(0, 7, 7, 0));
  for (const char* qwen : {"Qwen2ForCausalLM", "Qwen3ForCausalLM"}) {
    EXPECT_THAT(window(qwen, R"("sliding_window": 7, "max_window_layers": 1)"),
                ElementsAre(0, 0, 0, 0));
    EXPECT_THAT(
        window(qwen, R"("sliding_window": 7, "use_sliding_window": true, "max_window_layers": 3)"),
        ElementsAre(0, 0, 0, 7));
    EXPECT_THAT(window(qwen, R"("sliding_window": 7, "use_sliding_window": true)"),
                ElementsAre(0, 0, 0, 0));  // max_window_layers is 28
    EXPECT_THAT(
        window(qwen, std::string(R"("sliding_window": 7, "use_sliding_window": true, )") + kMixed),
        ElementsAre(0, 7, 7, 0));
    EXPECT_THAT(ErrorOf(Text(qwen, std::string(R"("num_key_value_heads": 1, )") + kMixed)),
                HasSubstr("layer_types[1]: expected full_attention, since sliding_window is null"));
  }
}

TEST(ModelConfig, GenerationConfigGoesFirst) {
  const std::string text = Text("LlamaForCausalLM", R"("eos_token_id": 3, "bos_token_id": 4)");
  EXPECT_THAT(Must(text, R"({"eos_token_id": [5, 6]})").eos_token_ids, ElementsAre(5, 6));
  EXPECT_EQ(Must(text, R"({"eos_token_id": [5, 6]})").bos_token_id, 4);
  EXPECT_THAT(Must(text, R"({"bos_token_id": 7})").eos_token_ids, ElementsAre(3));
  EXPECT_EQ(Must(text, R"({"bos_token_id": 7})").bos_token_id, 7);
  EXPECT_THAT(Parse(text, R"({"eos_token_id": -1})").error().message,
              HasSubstr("generation_config.json: eos_token_id: expected a whole number"));

  const ModelConfig outside = Must(text, R"({"eos_token_id": [5, 320]})");
  EXPECT_THAT(outside.eos_token_ids, ElementsAre(5));
  EXPECT_THAT(outside.warnings,
              ElementsAre(HasSubstr("token id 320 lies outside the vocabulary of 320")));
}

struct BadKey {
  std::string_view more;  // replaces or adds keys of a Llama
  std::string_view message;
};

TEST(ModelConfig, RefusesBadValuesNamingTheKey) {
  for (const auto& [more, message] : {
           BadKey{R"("num_key_value_heads": 3)",
                  "num_key_value_heads: expected a divisor of num_attention_heads (4), found 3"},
           BadKey{R"("num_key_value_heads": 0)", "num_key_value_heads: expected a whole number"},
           BadKey{R"("num_key_value_heads": -4)", "found -4"},
           BadKey{R"("head_dim": 0)", "head_dim: expected a whole number from 1 to 16384, found 0"},
           BadKey{R"("head_dim": 15)",
                  "head_dim: expected an even number of rotary dims, found 15"},
           BadKey{R"("head_dim": 16.5)", "head_dim: expected a whole number"},
           BadKey{R"("head_dim": "16")", "head_dim: expected a whole number"},
           BadKey{R"("max_position_embeddings": 0)", "max_position_embeddings: expected a whole"},
           BadKey{R"("max_position_embeddings": 1e300)", "max_position_embeddings: expected a"},
           BadKey{R"("rms_norm_eps": 0)", "rms_norm_eps: expected a number"},
           BadKey{R"("rms_norm_eps": -1e-6)", "rms_norm_eps: expected a number"},
           BadKey{R"("rms_norm_eps": "x")", "rms_norm_eps: expected a number"},
           BadKey{R"("rope_theta": 0)", "rope_theta: expected a number from 1 to 1e+30, found 0"},
           BadKey{R"("rope_theta": -5.0)", "rope_theta: expected a number"},
           BadKey{R"("hidden_act": "relu2")",
                  "hidden_act: expected a supported activation (silu, gelu_pytorch_tanh, gelu, "},
           BadKey{R"("tie_word_embeddings": 1)", "tie_word_embeddings: expected true or false"},
           BadKey{R"("attention_bias": "no")", "attention_bias: expected true or false"},
           BadKey{R"("quantization_config": {"quant_method": "gptq"})",
                  "quantization_config.quant_method: expected no quantization: this build reads "
                  "F32, F16 and BF16 weights, found \"gptq\""},
           BadKey{R"("quantization_config": {"bits": 4})",
                  "quantization_config: expected no quant"},
           BadKey{R"("use_bidirectional_attention": true)",
                  "use_bidirectional_attention: expected"},
           BadKey{R"("per_layer_config": {"0": {}})", "per_layer_config: expected the same"},
           BadKey{R"("dtype": "float64")", "dtype: expected one of the dtypes float32, float16,"},
           BadKey{R"("eos_token_id": -1)", "eos_token_id: expected a whole number"},
           BadKey{R"("eos_token_id": [1, "x"])", "eos_token_id[1]: expected a whole number"},
           BadKey{R"("model_type": "mistral")",
                  "model_type: expected \"llama\" to go with LlamaForCausalLM, found \"mistral\""},
           BadKey{R"("mlp_bias": true, "mlp_bias": false)", "mlp_bias: expected once, found twice"},
       }) {
    EXPECT_THAT(ErrorOf(Text("LlamaForCausalLM", more)),
                AllOf(HasSubstr("config.json: "), HasSubstr(message)))
        << more;
  }
  EXPECT_THAT(ErrorOf(Text("MixtralForCausalLM")),
              AllOf(HasSubstr("architectures[0]: expected a supported architecture"),
                    HasSubstr("LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, "
                              "Qwen3ForCausalLM, Phi3ForCausalLM, Gemma2ForCausalLM, "
                              "Olmo2ForCausalLM, GraniteForCausalLM"),
                    HasSubstr("found \"MixtralForCausalLM\"")));
  EXPECT_THAT(
      ErrorOf(Text("MistralForCausalLM", R"("num_key_value_heads": 2, "sliding_window": 0)")),
      HasSubstr("sliding_window: expected a whole number from 1"));
  EXPECT_THAT(ErrorOf(Text("Gemma2ForCausalLM", R"("layer_types": ["full_attention"])")),
              HasSubstr("layer_types: expected one for each of 4 layers, found 1"));
  EXPECT_THAT(
      ErrorOf(Text("Gemma2ForCausalLM", R"("layer_types": ["mamba", "", "", ""])")),
      HasSubstr("layer_types[0]: expected full_attention or sliding_attention, found \"mamba\""));
  EXPECT_THAT(ErrorOf(Text("GraniteForCausalLM", R"("logits_scaling": 0)")),
              HasSubstr("logits_scaling: expected a number"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("config.json: expected an object, found an array"));
}

TEST(ModelConfig, RefusesBadSizesNamingTheKey) {
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads"}) {
    const std::string good = Text("LlamaForCausalLM");
    const size_t at = good.find(fmt::format("\"{}\": ", key));
    const size_t value = good.find(": ", at) + 2;
    const size_t end = good.find_first_of(",}", value);
    for (const char* bad : {"0", "-1", "1.5", "\"4\"", "null", "99999999999", "[4]"}) {
      EXPECT_THAT(
          ErrorOf(good.substr(0, value) + bad + good.substr(end)),
          HasSubstr(fmt::format("config.json: {}: expected a whole number from 1 to", key)));
    }
    const std::string absent = good.substr(0, at) + "\"x\": 1" + good.substr(end);
    EXPECT_THAT(ErrorOf(absent), HasSubstr(fmt::format("config.json: {}: missing", key)));
  }
  EXPECT_THAT(ErrorOf(R"({"architectures": ["LlamaForCausalLM"], "vocab_size": 8, "hidden_size": 65,
      "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 4})"),
              HasSubstr("hidden_size: expected a multiple of num_attention_heads (4)"));
  EXPECT_THAT(ErrorOf(R"({"architectures": ["LlamaForCausalLM"], "vocab_size": 8, "hidden_size": 64,
      "intermediate_size": 8, "num_hidden_layers": 1000000, "num_attention_heads": 4})"),
              HasSubstr("num_hidden_layers: expected a whole number from 1 to 10000"));
}

TEST(ModelConfig, LoadsFoldersAndNamesPythonsNumbers) {
  const TestDir dir;
  EXPECT_THAT(LoadModelConfig(dir.path()).error().message,
              HasSubstr("config.json: cannot open: No such file"));
  dir.Write("config.json", Text("LlamaForCausalLM"));
  dir.Write("generation_config.json", R"({"eos_token_id": 9})");
  const auto config = LoadModelConfig(dir.path());
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->eos_token_ids, ElementsAre(9));
  dir.Write("config.json", Text("LlamaForCausalLM", R"("a\"b": "NaN", "rope_theta": NaN)"));
  EXPECT_THAT(LoadModelConfig(dir.path()).error().message,
              HasSubstr("config.json: rope_theta: expected a finite number, found NaN"));
  dir.Write("config.json", "{\"a\": 1");
  EXPECT_THAT(LoadModelConfig(dir.path()).error().message, HasSubstr("expected valid JSON"));
}

// What the models in tests/golden have, against what transformers was given to make them.
TEST(ModelConfig, ReadsTheGoldenModels) {
  const std::string models = RW_SOURCE_DIR "/tests/golden/models/";
  const auto dynamic = LoadModelConfig(models + "llama_dynamic");
  ASSERT_TRUE(dynamic) << dynamic.error().message;
  EXPECT_EQ(dynamic->rope.type, RopeType::kDynamic);
  EXPECT_EQ(dynamic->rope.factor, 4.0);
  const auto phi3 = LoadModelConfig(models + "phi3_longrope");
  ASSERT_TRUE(phi3) << phi3.error().message;
  EXPECT_EQ(phi3->rope.type, RopeType::kLongrope);
  EXPECT_EQ(phi3->rope.original_max_position_embeddings, 64);
  EXPECT_EQ(phi3->rope.factor, 8.0);
  EXPECT_EQ(phi3->rope.long_factor.size(), 16u);
}

}  // namespace
}  // namespace rw
