#include "model/gguf_pre_tokenizers.h"

#include <array>

namespace rw {
namespace {

// As in the tokenizer.json that each family published.
constexpr std::string_view kNone = "null";
constexpr std::string_view kNfc = R"({"type":"NFC"})";

#define RW_BYTE_LEVEL(regex) \
  R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":)" regex "}"
#define RW_SPLIT(regex)                                                               \
  R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":")" regex \
  R"("},"behavior":"Isolated","invert":false},)" RW_BYTE_LEVEL("false") "]}"

constexpr std::string_view kByteLevel = RW_BYTE_LEVEL("true");  // with GPT-2's own regex
constexpr std::string_view kDigits =
    R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)" RW_BYTE_LEVEL(
        "true") "]}";
constexpr std::string_view kLlama3 =
    RW_SPLIT(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|)"
             R"( ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");
constexpr std::string_view kQwen2 =
    RW_SPLIT(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|)"
             R"( ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");

// Words by case: an optional mark, then capitals and small letters in one order or the other.
#define RW_CASED(behind)                                            \
  R"([^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*)"  \
  R"([\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+)" behind                        \
  R"(|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+)" \
  R"([\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*)" behind
constexpr std::string_view kTekken = RW_SPLIT(
    RW_CASED("") R"(|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");
constexpr std::string_view kGpt4o = RW_SPLIT(RW_CASED(
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?") R"(|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");

#undef RW_CASED
#undef RW_SPLIT
#undef RW_BYTE_LEVEL

// Names are those that llama.cpp's converter gives (conversion/base.py, get_vocab_base_pre);
// ignore_merges and add_bos as in its llama-vocab.cpp.
constexpr std::array kRows = {
    GgufPreTokenizer{"llama-bpe", kNone, kLlama3, true, true},
    GgufPreTokenizer{"llama3", kNone, kLlama3, true, true},
    GgufPreTokenizer{"llama-v3", kNone, kLlama3, true, true},
    GgufPreTokenizer{"dbrx", kNone, kLlama3, false, false},  // OLMo-2, Phi-4
    GgufPreTokenizer{"smaug-bpe", kNone, kLlama3, false, false},
    GgufPreTokenizer{"qwen2", kNfc, kQwen2, false, false},
    GgufPreTokenizer{"deepseek-r1-qwen", kNfc, kQwen2, false, false},
    GgufPreTokenizer{"gpt-2", kNone, kByteLevel, false, false},
    GgufPreTokenizer{"phi-2", kNone, kByteLevel, false, false},
    GgufPreTokenizer{"olmo", kNfc, kByteLevel, false, false},
    GgufPreTokenizer{"smollm", kNone, kDigits, false, false},
    GgufPreTokenizer{"starcoder", kNone, kDigits, false, false},
    GgufPreTokenizer{"refact", kNone, kDigits, false, false},  // Granite 3
    GgufPreTokenizer{"tekken", kNone, kTekken, true, true},    // Mistral-Nemo
    GgufPreTokenizer{"gpt-4o", kNone, kGpt4o, false, false},   // Phi-4-mini
};

}  // namespace

const GgufPreTokenizer* FindGgufPreTokenizer(std::string_view name) {
  for (const GgufPreTokenizer& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string GgufPreTokenizerNames() {
  std::string names;
  for (const GgufPreTokenizer& row : kRows)
    names.append(names.empty() ? "" : ", ").append(row.name);
  return names;
}

}  // namespace rw
