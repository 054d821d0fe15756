#include "model/tokenizer/vocab.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace rw::tok {
namespace {

constexpr int64_t kIdsPerEntry = 16;
constexpr int64_t kSlack = 4096;

// A text for a message: short and on one line, whatever the file holds.
std::string Shown(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 40)) shown += static_cast<unsigned char>(c) < 32 ? '?' : c;
  if (text.size() > 40) shown += "...";
  return shown;
}

}  // namespace

bool TooSparse(int64_t largest, size_t count) {
  return largest >= kIdsPerEntry * static_cast<int64_t>(count) + kSlack;
}

Result<Vocab> Vocab::Build(const std::vector<Entry>& entries, bool repeats_allowed,
                           const Json& place) {
  if (entries.empty()) return Err("{}: expected at least one token, found none", place.where());
  int32_t largest = 0;
  size_t bytes = 0;
  for (const Entry& entry : entries) {
    largest = std::max(largest, entry.id);
    bytes += entry.text.size();
  }
  if (TooSparse(largest, entries.size()) || largest == std::numeric_limits<int32_t>::max()) {
    return Err("{}: expected ids in proportion to the {} tokens, found {}", place.where(),
               entries.size(), largest);
  }
  Vocab vocab;
  vocab.bytes_.reserve(bytes);
  vocab.texts_.resize(static_cast<size_t>(largest) + 1);
  size_t slots = 16;
  while (slots < entries.size() * 2) slots *= 2;
  vocab.slots_.assign(slots, -1);
  for (const Entry& entry : entries) {
    Place& text = vocab.texts_[entry.id];
    if (text.present) {
      return Err("{}: expected one token for each id, found \"{}\" and \"{}\" for {}",
                 place.where(), Shown(vocab.Text(entry.id)), Shown(entry.text), entry.id);
    }
    text = {static_cast<uint32_t>(vocab.bytes_.size()), static_cast<uint32_t>(entry.text.size()),
            true};
    vocab.bytes_ += entry.text;
    int32_t& slot = vocab.slots_[vocab.SlotOf(entry.text)];
    if (slot >= 0 && !repeats_allowed) {
      return Err("{}: expected each token once, found \"{}\" for {} and {}", place.where(),
                 Shown(entry.text), slot, entry.id);
    }
    slot = entry.id;
  }
  vocab.size_ = entries.size();
  return vocab;
}

size_t Vocab::SlotOf(std::string_view text) const {
  const size_t mask = slots_.size() - 1;
  size_t at = std::hash<std::string_view>{}(text)&mask;
  while (slots_[at] >= 0 && Text(slots_[at]) != text) at = (at + 1) & mask;
  return at;
}

std::optional<int32_t> Vocab::Find(std::string_view text) const {
  if (slots_.empty()) return std::nullopt;
  const int32_t id = slots_[SlotOf(text)];
  if (id < 0) return std::nullopt;
  return id;
}

std::string_view Vocab::Text(int32_t id) const {
  return std::string_view(bytes_).substr(texts_[id].offset, texts_[id].length);
}

}  // namespace rw::tok
