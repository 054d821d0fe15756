#include "model/tokenizer/piece_cache.h"

#include <functional>

namespace rw::tok {
namespace {

constexpr size_t kFirstEntries = 256;
constexpr size_t kMostPieces = 1 << 16;
constexpr size_t kLongestPiece = 128;  // bytes

}  // namespace

CachedEncoder::Entry& CachedEncoder::Place(uint64_t hash, std::string_view piece) {
  const size_t mask = entries_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    Entry& entry = entries_[at];
    if (entry.hash == 0) return entry;
    if (entry.hash == hash && std::string_view(texts_).substr(entry.text, entry.length) == piece) {
      return entry;
    }
  }
}

void CachedEncoder::Grow() {
  std::vector<Entry> old(entries_.empty() ? kFirstEntries : entries_.size() * 2);
  old.swap(entries_);
  for (const Entry& entry : old) {
    if (entry.hash == 0) continue;
    Place(entry.hash, std::string_view(texts_).substr(entry.text, entry.length)) = entry;
  }
}

void CachedEncoder::Add(uint64_t hash, std::string_view piece, const int32_t* ids, size_t count) {
  if (size_ == kMostPieces) return;
  if (size_ * 2 >= entries_.size()) Grow();
  Place(hash, piece) = {hash, static_cast<uint32_t>(texts_.size()),
                        static_cast<uint32_t>(ids_.size()), static_cast<uint16_t>(piece.size()),
                        static_cast<uint16_t>(count)};
  texts_ += piece;
  ids_.insert(ids_.end(), ids, ids + count);
  ++size_;
}

Status CachedEncoder::Encode(std::string_view piece, std::vector<int32_t>& ids) {
  if (piece.size() > kLongestPiece) return EncodeNew(piece, ids);
  const uint64_t hash = std::hash<std::string_view>{}(piece) | 1;  // never 0
  if (!entries_.empty()) {
    const Entry& entry = Place(hash, piece);
    if (entry.hash != 0) {
      const auto first = ids_.begin() + entry.first_id;
      ids.insert(ids.end(), first, first + entry.id_count);
      return {};
    }
  }
  const size_t before = ids.size();
  RW_TRY(EncodeNew(piece, ids));
  Add(hash, piece, ids.data() + before, ids.size() - before);
  return {};
}

}  // namespace rw::tok
