// The merges that a SentencePiece vocabulary with scores stands for.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace rw {

struct ScoredPiece {
  std::string_view text;  // UTF-8
  double score;
};

// Places of two pieces that join to a third, first merge first: all ways to cut a piece between two
// characters into two others, the highest score first, as Hugging Face's converter orders them
// (generate_merges in transformers' convert_slow_tokenizer.py). Of pieces with equal texts the last
// counts; one of more than 256 bytes is not cut.
std::vector<std::pair<size_t, size_t>> MergesByScore(std::span<const ScoredPiece> pieces);

}  // namespace rw
