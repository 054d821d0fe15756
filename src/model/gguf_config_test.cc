#include "model/gguf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/gguf_testing.h"
#include "model/rope.h"

namespace rw {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

GgufBytes Small(std::string_view arch) {
  const std::string prefix = std::string(arch) + ".";
  return GgufBytes()
      .Text("general.architecture", arch)
      .Whole(prefix + "context_length", 128)
      .Whole(prefix + "embedding_length", 64)
      .Whole(prefix + "feed_forward_length", 96)
      .Whole(prefix + "block_count", 2)
      .Whole(prefix + "attention.head_count", 4)
      .Float(prefix + "attention.layer_norm_rms_epsilon", 1e-5f)
      .Tensor("token_embd.weight", {10, 64}, 1, std::string(1280, '\0'));
}

Result<ModelConfig> Config(const GgufBytes& bytes) {
  const std::string text = bytes.Bytes();
  RW_ASSIGN(const GgufModel model, GgufModel::Parse(std::as_bytes(std::span(text)), "f.gguf"));
  return GgufModelConfig(model);
}

std::string ErrorOf(const GgufBytes& bytes) {
  const auto config = Config(bytes);
  return config ? "(no error)" : config.error().message;
}

TEST(GgufConfig, ReadsALlama) {
  const auto config = Config(Small("llama"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->architecture, Architecture::kLlama);
  EXPECT_EQ(config->vocab_size, 10);
  EXPECT_EQ(config->hidden_size, 64);
  EXPECT_EQ(config->intermediate_size, 96);
  EXPECT_EQ(config->num_layers, 2);
  EXPECT_EQ(config->num_kv_heads, 4);  // as many as of queries where the file does not say
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->max_position_embeddings, 128);
  EXPECT_EQ(config->rms_norm_eps, 1e-5);  // not the double nearest to the float
  EXPECT_TRUE(config->tie_word_embeddings);
  EXPECT_FALSE(config->qkv_bias || config->o_bias || config->mlp_bias);
  EXPECT_EQ(config->dtype, DType::kF16);
  EXPECT_EQ(config->rope.type, RopeType::kDefault);
  EXPECT_THAT(config->eos_token_ids, ElementsAre());
}

TEST(GgufConfig, ReadsWhatTensorsSay) {
  const auto config = Config(Small("llama")
                                 .Tensor("output.weight", {10, 64}, 1, std::string(1280, '\0'))
                                 .Tensor("blk.0.attn_q.bias", {64}, 0, std::string(256, '\0')));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_FALSE(config->tie_word_embeddings);
  EXPECT_TRUE(config->qkv_bias);
  EXPECT_FALSE(config->o_bias);
}

TEST(GgufConfig, AWindowMakesALlamaAMistral) {
  const auto config = Config(Small("llama").Whole("llama.attention.sliding_window", 24));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->architecture, Architecture::kMistral);
  EXPECT_THAT(config->window, ElementsAre(24, 24));
}

TEST(GgufConfig, AnswersEndWithSeveralTokens) {
  GgufBytes bytes = Small("llama");
  bytes.Texts("tokenizer.ggml.tokens", {"<s>", "</s>", "<|eot_id|>", "<|im_end|>", "x", "y"})
      .Wholes("tokenizer.ggml.token_type", {3, 3, 3, 1, 1, 1})
      .Whole("tokenizer.ggml.bos_token_id", 0)
      .Whole("tokenizer.ggml.eos_token_id", 1)
      .Whole("tokenizer.ggml.eot_token_id", 5);
  const auto config = Config(bytes);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->bos_token_id, 0);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(1, 5, 2));  // <|im_end|> is no control token here
}

TEST(GgufConfig, Gemma2TellsItsScaleByItsLayers) {
  EXPECT_EQ(Config(Small("gemma2"))->attention_scale, 0.25);
  EXPECT_TRUE(Config(Small("gemma2"))->norms_hold_one);
  GgufBytes wide = GgufBytes()
                       .Text("general.architecture", "gemma2")
                       .Whole("gemma2.context_length", 128)
                       .Whole("gemma2.embedding_length", 100)
                       .Whole("gemma2.feed_forward_length", 96)
                       .Whole("gemma2.block_count", 46)
                       .Whole("gemma2.attention.head_count", 4)
                       .Whole("gemma2.attention.key_length", 16)
                       .Float("gemma2.attention.layer_norm_rms_epsilon", 1e-5f)
                       .Tensor("token_embd.weight", {10, 100}, 1, std::string(2000, '\0'));
  EXPECT_EQ(Config(wide)->attention_scale, 0.2);
}

TEST(GgufConfig, ReadsRopeScaling) {
  const auto linear = Config(Small("llama")
                                 .Text("llama.rope.scaling.type", "linear")
                                 .Float("llama.rope.scaling.factor", 4)
                                 .Float("llama.rope.freq_base", 5e5f));
  ASSERT_TRUE(linear) << linear.error().message;
  EXPECT_EQ(linear->rope.type, RopeType::kLinear);
  EXPECT_EQ(linear->rope.factor, 4);
  EXPECT_EQ(linear->rope.theta, 5e5);
  const auto yarn = Config(Small("qwen2")
                               .Text("qwen2.rope.scaling.type", "yarn")
                               .Float("qwen2.rope.scaling.factor", 2)
                               .Whole("qwen2.rope.scaling.original_context_length", 64));
  ASSERT_TRUE(yarn) << yarn.error().message;
  EXPECT_EQ(yarn->rope.type, RopeType::kYarn);
  EXPECT_EQ(yarn->rope.original_max_position_embeddings, 64);
}

TEST(GgufConfig, DividesFrequenciesByTheFilesNumbers) {
  std::string divisors;
  for (int i = 0; i < 8; ++i) divisors += GgufNumber(static_cast<float>(1 << i));
  const auto plain = Config(Small("llama"));
  const auto config = Config(Small("llama").Tensor("rope_freqs.weight", {8}, 0, divisors));
  ASSERT_TRUE(config) << config.error().message;
  const RopeFrequencies before = ComputeRopeFrequencies(*plain, 1);
  for (const int64_t length : {int64_t{1}, int64_t{1000}}) {
    const RopeFrequencies after = ComputeRopeFrequencies(*config, length);
    EXPECT_EQ(after.attention_scaling, 1);
    for (size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(after.inv_freq[i], before.inv_freq[i] / static_cast<float>(1 << i)) << i;
    }
  }
}

TEST(GgufConfig, PartOfAHeadMayRotate) {
  for (uint32_t rotary = 2; rotary <= 16; rotary += 2) {
    const auto config = Config(Small("phi3").Whole("phi3.rope.dimension_count", rotary));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->rope.rotary_dim, rotary);
  }
}

TEST(GgufConfig, RefusesWhatItDoesNotRun) {
  EXPECT_EQ(ErrorOf(Small("bert")),
            "f.gguf: general.architecture: expected a supported architecture (llama, qwen2, qwen3, "
            "phi3, gemma2, olmo2, granite), found \"bert\"");
  EXPECT_THAT(ErrorOf(GgufBytes()), HasSubstr("general.architecture: expected among"));
  EXPECT_THAT(ErrorOf(Small("llama").Whole("llama.expert_count", 8)),
              HasSubstr("llama.expert_count: expected no experts, found 8"));
  EXPECT_THAT(ErrorOf(Small("olmo2").Whole("olmo2.attention.sliding_window", 8)),
              HasSubstr("expected no window (OLMo-3 is not read)"));
  EXPECT_THAT(ErrorOf(Small("llama").Whole("llama.attention.value_length", 8)),
              HasSubstr("expected as many as attention.key_length (16), found 8"));
  EXPECT_THAT(ErrorOf(Small("llama").Text("llama.rope.scaling.type", "su")),
              HasSubstr("expected none, linear or yarn, or factors in tensors of the file"));
  EXPECT_THAT(ErrorOf(Small("llama").Wholes("llama.attention.head_count_kv", {4, 2})),
              HasSubstr("expected a whole number, found an array of 2 i32"));
  EXPECT_THAT(ErrorOf(Small("llama").Whole("llama.attention.head_count_kv", 3)),
              HasSubstr("f.gguf as config.json: num_key_value_heads: expected a divisor"));
  EXPECT_THAT(
      ErrorOf(Small("llama").Float("llama.rope.freq_base", std::bit_cast<float>(0x7f800000))),
      HasSubstr("llama.rope.freq_base: expected a finite number"));
  EXPECT_THAT(ErrorOf(Small("llama").Tensor("rope_freqs.weight", {2, 4}, 0, std::string(32, '\0'))),
              HasSubstr("tensor rope_freqs.weight: expected up to"));
  GgufBytes no_layers = GgufBytes().Text("general.architecture", "llama");
  EXPECT_THAT(ErrorOf(no_layers), HasSubstr("llama.context_length: expected among the file's 1"));
}

}  // namespace
}  // namespace rw
