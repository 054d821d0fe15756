#include "kernels/sampling.h"

#include <vector>

namespace rw {
namespace {

struct Token {
  float logit;
  int32_t id;
};

bool Likelier(const Token& a, const Token& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// Drops all that come after `last`. The others stay in the order of ids.
void KeepUpTo(std::vector<Token>& kept, const Token& last) {
  std::erase_if(kept, [&](const Token& token) { return Likelier(last, token); });
}

void KeepTopK(std::vector<Token>& kept, int64_t k) {
  if (k <= 0 || k >= static_cast<int64_t>(kept.size())) return;
  std::vector<Token> ordered = kept;
  std::nth_element(ordered.begin(), ordered.begin() + k - 1, ordered.end(), Likelier);
  KeepUpTo(kept, ordered[static_cast<size_t>(k - 1)]);
}

uint64_t MassOf(const std::vector<Token>& kept, const SampleWeights& weigh) {
  uint64_t mass = 0;
  for (const Token& token : kept) mass += weigh(token.logit);
  return mass;
}

void KeepTopP(std::vector<Token>& kept, const SampleWeights& weigh, float top_p) {
  const uint64_t wanted = TopPMass(MassOf(kept, weigh), top_p);
  const auto less = [](const Token& a, const Token& b) { return Likelier(b, a); };
  std::vector<Token> heap = kept;
  std::make_heap(heap.begin(), heap.end(), less);
  uint64_t reached = 0;
  for (auto end = heap.end(); end != heap.begin();) {
    std::pop_heap(heap.begin(), end, less);
    reached += weigh((--end)->logit);
    if (reached >= wanted) return KeepUpTo(kept, *end);
  }
}

}  // namespace

int32_t Likeliest(std::span<const float> logits) {
  int32_t best = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i]) && (best < 0 || logits[i] > logits[static_cast<size_t>(best)])) {
      best = static_cast<int32_t>(i);
    }
  }
  return best;
}

int32_t SampleToken(std::span<const float> logits, const SampleRule& rule) {
  const int32_t best = Likeliest(logits);
  if (best < 0 || rule.greedy()) return best;
  const SampleWeights weigh(rule, logits[static_cast<size_t>(best)]);
  std::vector<Token> kept;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) kept.push_back({logits[i], static_cast<int32_t>(i)});
  }
  KeepTopK(kept, rule.top_k);
  if (rule.top_p < 1) KeepTopP(kept, weigh, rule.top_p);
  uint64_t left = DrawnMass(MassOf(kept, weigh), rule.draw);
  for (const Token& token : kept) {
    const uint64_t weight = weigh(token.logit);
    if (left < weight) return token.id;
    left -= weight;
  }
  return best;  // unreached: the best token has a weight
}

}  // namespace rw
