// One request on its way through the engine.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/sampler.h"

namespace rw {

using SequenceId = int64_t;

enum class FinishReason : uint8_t {
  kNone,    // still going
  kStop,    // an end-of-sequence token, or the caller said so
  kLength,  // max_tokens or the longest sequence was reached
  kError,   // the model gave no finite logits
};
std::string_view Name(FinishReason reason);

struct Sequence {
  SequenceId id;
  std::vector<int32_t> tokens;  // prompt, then what was generated
  int64_t prompt_size;
  int64_t limit;  // tokens.size() never passes it
  Sampler sampler;
  int64_t computed = 0;        // leading tokens whose keys and values are in the cache
  std::vector<int32_t> pages;  // of the cache, in order of position

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  int64_t pending() const { return size() - computed; }
};

}  // namespace rw
