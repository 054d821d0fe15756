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

int32_t Argmax(std::span<const float> logits) {
  int32_t best = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i]) && (best < 0 || logits[i] > logits[static_cast<size_t>(best)])) {
      best = static_cast<int32_t>(i);
    }
  }
  return best;
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

double Weight(const Candidate& candidate) { return std::exp(static_cast<double>(candidate.logit)); }

// Logits relative to the best, over the temperature, without those that min-p rules out.
std::vector<Candidate> Scaled(std::span<const float> logits, float best,
                              const SamplingParams& params) {
  const double lowest =
      params.min_p > 0 ? std::log(params.min_p) : -std::numeric_limits<double>::infinity();
  std::vector<Candidate> kept;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double relative = (static_cast<double>(logits[i]) - best) / params.temperature;
    if (relative >= lowest) kept.push_back({static_cast<int32_t>(i), static_cast<float>(relative)});
  }
  return kept;
}

void KeepTopK(std::vector<Candidate>& kept, size_t k) {
  if (k == 0 || k >= kept.size()) return;
  std::partial_sort(kept.begin(), kept.begin() + static_cast<int64_t>(k), kept.end(), Likelier);
  kept.resize(k);
}

// Keeps the likeliest whose mass reaches p of the whole, the one that crosses it included.
void KeepTopP(std::vector<Candidate>& kept, double p) {
  double left = 0;
  for (const Candidate& candidate : kept) left += Weight(candidate);
  left *= p;
  const auto less = [](const Candidate& a, const Candidate& b) { return Likelier(b, a); };
  std::make_heap(kept.begin(), kept.end(), less);
  auto end = kept.end();
  while (end != kept.begin() && left > 0) {
    std::pop_heap(kept.begin(), end, less);
    left -= Weight(*--end);
  }
  kept.erase(kept.begin(), end);
  std::reverse(kept.begin(), kept.end());
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

int32_t Sampler::Draw(std::span<const float> logits) {
  const int32_t best = Argmax(logits);
  if (best < 0 || params_.temperature == 0) return best;
  std::vector<Candidate> kept = Scaled(logits, logits[static_cast<size_t>(best)], params_);
  KeepTopK(kept, static_cast<size_t>(params_.top_k));
  if (params_.top_p < 1) KeepTopP(kept, params_.top_p);
  double sum = 0;
  for (const Candidate& candidate : kept) sum += Weight(candidate);
  // 53 random bits make a uniform number in [0, 1), the same on every platform, unlike std's.
  double left = static_cast<double>(random_() >> 11) * 0x1p-53 * sum;
  for (const Candidate& candidate : kept) {
    left -= Weight(candidate);
    if (left < 0) return candidate.token;
  }
  return kept.back().token;  // only rounding leads here
}

Sampled Sampler::Sample(std::span<float> logits) {
  Sampled sampled;
  double norm = 0;
  std::vector<float> raw;
  if (params_.logprobs > 0) {
    raw.assign(logits.begin(), logits.end());
    const int32_t best = Argmax(raw);
    if (best >= 0) norm = LogSumExp(raw, raw[static_cast<size_t>(best)]);
  }
  ApplyPenalties(logits);
  sampled.token = Draw(logits);
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
