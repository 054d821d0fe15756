// Rotary position embeddings as a table: the cosines and sines of every position.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/lazy_memory.h"
#include "base/status.h"
#include "base/tensor.h"
#include "model/config.h"

namespace rw {

// One frequency per pair of rotary dims, and what cosines and sines are multiplied by.
struct RopeFrequencies {
  std::vector<float> inv_freq;
  double attention_scaling = 1.0;
};

// The frequencies for sequences of that length, as transformers computes them; only the dynamic and
// longrope types look at the length.
RopeFrequencies ComputeRopeFrequencies(const ModelConfig& config, int64_t sequence_length);

// Row p of a block is [cos(p f_0) .. cos(p f_{r/2-1}) | sin(p f_0) .. sin(p f_{r/2-1})] for r
// rotary dims, times the attention scaling.
//
// The dynamic and longrope types have other frequencies for sequences longer than a limit (for
// dynamic max_position_embeddings, for longrope original_max_position_embeddings). For these the
// table has two blocks: first the short frequencies, then the long ones (for dynamic those of a
// sequence of max_model_len tokens). A sequence stays with one block from its first token on,
// chosen by the length it may grow to.
//
// That departs from transformers, which goes over to the long frequencies in mid-sequence, when the
// limit is passed, and (dynamic) changes them with every further token. Keys cached before then
// were rotated by other frequencies, so that its output depends on how a sequence was cut into
// steps; here it does not. For longrope, both agree for a sequence within the limit and for one
// that transformers processes whole. For dynamic the latter holds at max_model_len tokens.
class RopeTable {
 public:
  // Computes the rows of positions below `positions` that are still missing, in every block. The
  // table of a model made for 131072 positions takes 64 MB and as many cosines: it grows with what
  // is asked of it instead.
  void Fill(int64_t positions);

  int64_t rotary_dim() const { return rotary_dim_; }  // floats in a row
  int64_t block_rows() const { return block_rows_; }
  int64_t rows() const { return block_rows_ * static_cast<int64_t>(blocks_.size()); }
  std::span<const float> row(int64_t i) const;
  TensorView View() const;  // f32[rows, rotary_dim]

  // The row of position 0 for a sequence that will never be longer than `sequence_limit`.
  int64_t RowOffset(int64_t sequence_limit) const {
    RW_CHECK(sequence_limit <= block_rows_);
    return sequence_limit <= short_limit_ ? 0 : block_rows_;
  }

 private:
  friend Result<RopeTable> BuildRopeTable(const ModelConfig&, int64_t, DType);

  int64_t rotary_dim_ = 0;
  int64_t block_rows_ = 0;   // max_model_len
  int64_t short_limit_ = 0;  // longest sequence for the first block
  int64_t filled_ = 0;       // positions
  std::vector<RopeFrequencies> blocks_;
  LazyMemory memory_;
};

// `max_model_len` >= 1 is the longest sequence that will be asked for. Reserves address space for
// max_model_len * rotary_dim floats, or twice that where a second block is needed; no row is
// filled.
//
// `frequencies` other than F32 rounds the frequencies to that type first. No model means that; it
// is what happens to a transformers model on which .to(torch.bfloat16) was called after loading
// (from_pretrained(dtype=...) keeps them in float32), and outputs recorded from such a model are
// reproduced only in this way.
Result<RopeTable> BuildRopeTable(const ModelConfig& config, int64_t max_model_len,
                                 DType frequencies = DType::kF32);

}  // namespace rw
