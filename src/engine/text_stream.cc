#include "engine/text_stream.h"

#include <algorithm>

namespace rw {
namespace {

// Length of the longest end of `text` that is the beginning of `stop`, but not all of it.
size_t Overlap(std::string_view text, std::string_view stop) {
  for (size_t size = std::min(text.size(), stop.size() - 1); size > 0; --size) {
    if (text.ends_with(stop.substr(0, size))) return size;
  }
  return 0;
}

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, std::vector<std::string> stop)
    : decoder_(tokenizer, SkipSpecial::kYes), stop_(std::move(stop)) {}

std::string TextStream::Push(int32_t token) { return Take(decoder_.Push(token), false); }

std::string TextStream::Finish() { return Take(decoder_.Finish(), true); }

std::string TextStream::Take(std::string_view more, bool last) {
  if (stopped_) return {};
  held_ += more;
  size_t first = std::string::npos;
  size_t keep = 0;
  for (const std::string& stop : stop_) {
    first = std::min(first, held_.find(stop));
    keep = std::max(keep, Overlap(held_, stop));
  }
  stopped_ = first != std::string::npos;
  const size_t size = stopped_ ? first : held_.size() - (last ? 0 : keep);
  std::string out = held_.substr(0, size);
  held_.erase(0, size);
  return out;
}

}  // namespace rw
