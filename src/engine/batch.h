// One step's work for the model: the new tokens of several sequences laid end to end.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/sampling.h"

namespace rw {

struct Batch {
  std::vector<int32_t> tokens;       // [n]
  std::vector<int32_t> positions;    // [n] rows of the rope table
  std::vector<int32_t> slots;        // [n] where k and v go, -1: nowhere
  std::vector<int32_t> query_start;  // [s + 1] first row of each sequence, and n
  std::vector<int32_t> lengths;      // [s] positions each sequence has after this step
  std::vector<int32_t> block_table;  // [s, p] pages of each sequence, padded with -1
  std::vector<int32_t> logit_rows;   // [r] rows whose logits are wanted
  std::vector<SampleRule> rules;     // [r] or fewer: how to take a token from each; else greedily
  int64_t pages_per_row = 0;         // p

  Batch() { query_start.push_back(0); }

  int64_t num_tokens() const { return static_cast<int64_t>(tokens.size()); }
  int64_t num_sequences() const { return static_cast<int64_t>(lengths.size()); }

  // Adds the rows for positions [begin, begin + new_tokens.size()) of a sequence whose pages are
  // `pages`; rope rows start at rope_offset. Call Finish after the last one.
  void Add(std::span<const int32_t> new_tokens, int64_t begin, int64_t rope_offset,
           std::span<const int32_t> pages, bool wants_logits);
  // Lays out the block table from the pages given.
  void Finish();

 private:
  std::vector<std::vector<int32_t>> pages_;
};

}  // namespace rw
