#include "model/tokenizer/split.h"

#include <algorithm>

#include "model/tokenizer/fields.h"

namespace rw::tok {
namespace {

struct Name {
  std::string_view name;
  SplitBehavior behavior;
};

constexpr Name kNames[] = {
    {"Removed", SplitBehavior::kRemoved},
    {"Isolated", SplitBehavior::kIsolated},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous},
};

}  // namespace

Result<SplitBehavior> ParseSplitBehavior(const Json& object, std::string_view key) {
  RW_ASSIGN(const Name* name, PickByName(kNames, object, key));
  return name->behavior;
}

void Splitter::ListParts(uint32_t size, const std::vector<Span>& matches) {
  parts_.clear();
  uint32_t done = 0;
  for (const Span match : matches) {
    if (done != match.begin) parts_.push_back({{done, match.begin}, invert_});
    parts_.push_back({match, !invert_});
    done = match.end;
  }
  if (done != size) parts_.push_back({{done, size}, invert_});
}

void Splitter::Split(uint32_t size, const std::vector<Span>& matches, uint32_t base,
                     std::vector<Span>& pieces) {
  ListParts(size, matches);
  // Merging with what follows is merging with what precedes, read backwards.
  const bool backwards = behavior_ == SplitBehavior::kMergedWithNext;
  if (backwards) std::reverse(parts_.begin(), parts_.end());
  size_t kept = 0;  // parts_[0, kept) are the pieces
  bool previous = false;
  for (const Part part : parts_) {
    bool joins = false;
    if (behavior_ == SplitBehavior::kContiguous) joins = part.match == previous;
    if (behavior_ == SplitBehavior::kMergedWithPrevious || backwards) {
      joins = part.match && !previous;
    }
    previous = part.match;
    if (behavior_ == SplitBehavior::kRemoved && part.match) continue;
    if (joins && kept > 0) {
      Span& piece = parts_[kept - 1].span;
      piece = {std::min(piece.begin, part.span.begin), std::max(piece.end, part.span.end)};
    } else {
      parts_[kept++].span = part.span;
    }
  }
  parts_.resize(kept);
  if (backwards) std::reverse(parts_.begin(), parts_.end());
  for (const Part& part : parts_) {
    if (part.span.begin == part.span.end) continue;
    pieces.push_back({part.span.begin + base, part.span.end + base});
  }
}

}  // namespace rw::tok
