// Splitting a piece of text at matches, as tokenizer.json's "behavior" says.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "model/tokenizer/regex.h"

namespace rw::tok {

enum class SplitBehavior {
  kRemoved,             // matches are dropped
  kIsolated,            // each match is a piece
  kMergedWithPrevious,  // a match joins what stands before it
  kMergedWithNext,      // a match joins what stands behind it
  kContiguous,          // matches that touch are one piece
};

Result<SplitBehavior> ParseSplitBehavior(const Json& object, std::string_view key);

// Splits a text of `size` bytes at `matches` (in order, not overlapping). With `invert`, what lies
// between the matches counts as match instead.
class Splitter {
 public:
  Splitter(SplitBehavior behavior, bool invert) : behavior_(behavior), invert_(invert) {}

  // Appends the pieces that are not empty, shifted by `base`.
  void Split(uint32_t size, const std::vector<Span>& matches, uint32_t base,
             std::vector<Span>& pieces);

 private:
  struct Part {
    Span span;
    bool match;
  };
  void ListParts(uint32_t size, const std::vector<Span>& matches);

  SplitBehavior behavior_;
  bool invert_;
  std::vector<Part> parts_;  // kept for its memory
};

}  // namespace rw::tok
