#include "import/architectures.h"

#include <array>

#include "base/check.h"

namespace rw {
namespace {

constexpr std::string_view kIn = "input_layernorm";
constexpr std::string_view kPostAttention = "post_attention_layernorm";
constexpr std::string_view kPreMlp = "pre_feedforward_layernorm";
constexpr std::string_view kPostMlp = "post_feedforward_layernorm";

// Llama names the norm before the MLP after what it follows: post_attention_layernorm.
constexpr std::array kTraits = {
    ArchitectureTraits{Architecture::kLlama, "llama", kIn, "", kPostAttention, ""},
    ArchitectureTraits{Architecture::kMistral, "llama", kIn, "", kPostAttention, ""},
    ArchitectureTraits{Architecture::kQwen2, "llama", kIn, "", kPostAttention, ""},
    ArchitectureTraits{Architecture::kQwen3, "llama", kIn, "", kPostAttention, "", QkNorm::kHead},
    ArchitectureTraits{Architecture::kPhi3, "llama", kIn, "", kPostAttention, "", QkNorm::kNone,
                       true, true},
    ArchitectureTraits{Architecture::kGemma2, "gemma", kIn, kPostAttention, kPreMlp, kPostMlp,
                       QkNorm::kNone, false, false, true},
    ArchitectureTraits{Architecture::kOlmo2, "olmo", "", kPostAttention, "", kPostMlp,
                       QkNorm::kRow},
    ArchitectureTraits{Architecture::kGranite, "llama", kIn, "", kPostAttention, ""},
};

}  // namespace

const ArchitectureTraits& TraitsOf(Architecture architecture) {
  for (const ArchitectureTraits& traits : kTraits) {
    if (traits.architecture == architecture) return traits;
  }
  RW_CHECK(false, "an architecture without traits");
  return kTraits[0];
}

}  // namespace rw
