#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rw {
namespace {

struct Candidate {
  int32_t token;
  float logit;
};

bool Likelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// log(sum(exp(logits))), for turning logits into logprobs.
double LogSumExp(std::span<const float> logits, float max) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - max);
  return max + std::log(sum);
}

std::vector<TokenLogprob> TopLogprobs(std::span<const float> logits, double norm, size_t count) {
  std::vector<Candidate> all;
  for (size_t i = 0; i < logits.size(); ++i) all.push_back({static_cast<int32_t>(i), logits[i]});
  count = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<int64_t>(count), all.end(), Likelier);
  std::vector<TokenLogprob> top;
  for (size_t i = 0; i < count; ++i) {
    top.push_back({all[i].token, static_cast<float>(all[i].logit - norm)});
  }
  return top;
}

}  // namespace

Status Validate(const SamplingParams& p) {
  // The comparisons are written so that NaN fails them.
  struct Rule {
    std::string_view name;
    double value;
    bool ok;
    std::string_view expected;
  };
  const Rule rules[] = {
      {"temperature", p.temperature, p.temperature >= 0 && std::isfinite(p.temperature),
       "a finite number >= 0"},
      {"top-k", static_cast<double>(p.top_k), p.top_k >= 0, "0 (all) or more"},
      {"top-p", p.top_p, p.top_p > 0 && p.top_p <= 1, "a number in (0, 1]"},
      {"min-p", p.min_p, p.min_p >= 0 && p.min_p <= 1, "a number in [0, 1]"},
      {"repetition-penalty", p.repetition_penalty,
       p.repetition_penalty > 0 && std::isfinite(p.repetition_penalty), "a finite number > 0"},
      {"presence-penalty", p.presence_penalty, std::abs(p.presence_penalty) <= 2,
       "a number in [-2, 2]"},
      {"frequency-penalty", p.frequency_penalty, std::abs(p.frequency_penalty) <= 2,
       "a number in [-2, 2]"},
      {"logprobs", static_cast<double>(p.logprobs), p.logprobs >= 0, "0 or more"},
      {"max-tokens", static_cast<double>(p.max_tokens), p.max_tokens >= 0,
       "0 (as many as fit) or more"},
  };
  for (const Rule& rule : rules) {
    if (!rule.ok) return Err("{}: expected {}, found {}", rule.name, rule.expected, rule.value);
  }
  for (const std::string& stop : p.stop) {
    if (stop.empty()) return Err("stop: expected a text, found an empty one");
  }
  return {};
}

Sampler::Sampler(SamplingParams params, std::span<const int32_t> prompt)
    : params_(std::move(params)), random_(params_.seed ? *params_.seed : std::random_device{}()) {
  for (const int32_t token : prompt) seen_.insert(token);
}

void Sampler::ApplyPenalties(std::span<float> logits) const {
  if (params_.repetition_penalty != 1.0) {
    const auto penalty = static_cast<float>(params_.repetition_penalty);
    for (const int32_t token : seen_) {
      float& logit = logits[static_cast<size_t>(token)];
      logit = logit > 0 ? logit / penalty : logit * penalty;
    }
  }
  if (params_.presence_penalty == 0 && params_.frequency_penalty == 0) return;
  for (const auto& [token, count] : generated_) {
    logits[static_cast<size_t>(token)] -= static_cast<float>(
        params_.presence_penalty + params_.frequency_penalty * static_cast<double>(count));
  }
}

// 32 random bits for each token, whatever the temperature, the same on every platform unlike std's
// distributions.
SampleRule Sampler::NextRule() {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  return {.temperature = static_cast<float>(params_.temperature),
          .top_p = static_cast<float>(params_.top_p),
          .min_p = static_cast<float>(params_.min_p),
          .top_k = static_cast<int32_t>(std::min(params_.top_k, kMost)),
          .draw = static_cast<uint32_t>(random_() >> 32)};
}

Sampled Sampler::Sample(std::span<float> logits) {
  Sampled sampled;
  double norm = 0;
  std::vector<float> raw;
  if (params_.logprobs > 0) {
    raw.assign(logits.begin(), logits.end());
    const int32_t best = Likeliest(raw);
    if (best >= 0) norm = LogSumExp(raw, raw[static_cast<size_t>(best)]);
  }
  ApplyPenalties(logits);
  sampled.token = SampleToken(logits, NextRule());
  if (sampled.token < 0) return sampled;
  if (params_.logprobs > 0) {
    sampled.logprob = static_cast<float>(raw[static_cast<size_t>(sampled.token)] - norm);
    sampled.top = TopLogprobs(raw, norm, static_cast<size_t>(params_.logprobs));
  }
  ++generated_[sampled.token];
  seen_.insert(sampled.token);
  return sampled;
}

}  // namespace rw
