#include "model/score_merges.h"

#include <algorithm>
#include <unordered_map>

namespace rw {
namespace {

struct Merge {
  size_t left;
  size_t right;
  double score;  // of what they join to
  size_t left_length;
  size_t right_length;  // in characters
};

// Bytes; a longer piece is never a product of merges here, so that a file of huge ones costs no
// more than its size. SentencePiece trains pieces of up to 16 characters, Gemma's longest has 93
// bytes.
constexpr size_t kLongest = 256;

bool BeginsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, BeginsCharacter));
}

}  // namespace

std::vector<std::pair<size_t, size_t>> MergesByScore(std::span<const ScoredPiece> pieces) {
  std::unordered_map<std::string_view, size_t> places;
  places.reserve(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) places[pieces[i].text] = i;

  std::vector<Merge> merges;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string_view text = pieces[i].text;
    if (places[text] != i || text.size() > kLongest) continue;
    const size_t first = merges.size();
    for (size_t cut = 1; cut < text.size(); ++cut) {
      if (!BeginsCharacter(text[cut])) continue;
      const auto left = places.find(text.substr(0, cut));
      if (left == places.end()) continue;
      const auto right = places.find(text.substr(cut));
      if (right == places.end()) continue;
      merges.push_back({left->second, right->second, pieces[i].score, Characters(left->first),
                        Characters(right->first)});
    }
    std::sort(merges.begin() + static_cast<ptrdiff_t>(first), merges.end(),
              [](const Merge& a, const Merge& b) {
                return std::pair(a.left, a.right) < std::pair(b.left, b.right);
              });
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    if (a.score != b.score) return a.score > b.score;
    return std::pair(a.left_length, a.right_length) > std::pair(b.left_length, b.right_length);
  });

  std::vector<std::pair<size_t, size_t>> pairs;
  pairs.reserve(merges.size());
  for (const Merge& merge : merges) pairs.emplace_back(merge.left, merge.right);
  return pairs;
}

}  // namespace rw
