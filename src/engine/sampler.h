// Choosing the next token from a row of logits.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "kernels/sampling.h"

namespace rw {

struct SamplingParams {
  double temperature = 0.0;  // 0: greedy
  int64_t top_k = 0;         // keep the k likeliest; 0: all
  double top_p = 1.0;        // keep the likeliest that together reach p
  double min_p = 0.0;        // keep those at least min_p times as likely as the likeliest
  double repetition_penalty =
      1.0;                         // divides positive and multiplies negative logits of seen tokens
  double presence_penalty = 0.0;   // subtracted once for a token already generated
  double frequency_penalty = 0.0;  // subtracted for each time it was generated
  std::optional<uint64_t> seed;    // none: a fresh one each time
  std::vector<std::string> stop;   // generation ends before any of these texts
  int64_t logprobs = 0;            // how many of the likeliest to report at each step
  int64_t max_tokens = 0;          // 0: as many as fit
  bool ignore_eos = false;

  // Whether the host has to see the logits: to change them, or to report them.
  bool needs_logits() const {
    return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0 ||
           logprobs > 0;
  }
};

// The parameter that is out of range, or fine.
Status Validate(const SamplingParams& params);

struct TokenLogprob {
  int32_t token;
  float logprob;  // natural, of the distribution before penalties and temperature
};

struct Sampled {
  int32_t token = -1;             // -1: the logits held no finite number
  std::optional<float> logprob;   // when logprobs were asked for
  std::vector<TokenLogprob> top;  // likeliest first
};

// The state of one sequence's sampling: depends on nothing but its own tokens and seed, so a
// sequence samples the same alone and in a batch. Each of its tokens comes either from NextRule,
// for the op `sample` where the logits are, or from Sample; both choose the same
// (kernels/sampling.h).
class Sampler {
 public:
  Sampler(SamplingParams params, std::span<const int32_t> prompt);

  // How the next token is chosen from its logits as they are; not if needs_logits.
  SampleRule NextRule();
  // Chooses here. `logits` is used as scratch. The order is that of vLLM: penalties, temperature,
  // min-p, top-k, top-p. Ties go to the lower token id.
  Sampled Sample(std::span<float> logits);

  const SamplingParams& params() const { return params_; }

 private:
  void ApplyPenalties(std::span<float> logits) const;

  SamplingParams params_;
  std::mt19937_64 random_;
  std::unordered_map<int32_t, int64_t> generated_;  // counts
  std::unordered_set<int32_t> seen_;                // in prompt or output
};

}  // namespace rw
