// An open-addressing hash map from 64-bit keys to small values: one array, no deletion. Built for
// the tables that are filled once at load and asked for every symbol (merges, tries).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace rw::tok {

// Every bit of the input changes half of the output's (the finalizer of MurmurHash3).
inline uint64_t MixBits(uint64_t x) {
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCDu;
  x ^= x >> 33;
  x *= 0xC4CEB9FE1A85EC53u;
  return x ^ (x >> 33);
}

template <class Value>
class FlatMap {
 public:
  static constexpr uint64_t kNoKey = ~uint64_t{0};  // may not be used as a key

  // The value of `key`; a new one if there was none. Valid until the next call.
  Value& operator[](uint64_t key) {
    if ((size_ + 1) * 2 > slots_.size()) Rehash(slots_.empty() ? 16 : slots_.size() * 2);
    Slot& slot = slots_[Place(key)];
    if (slot.key == kNoKey) {
      slot.key = key;
      ++size_;
    }
    return slot.value;
  }

  const Value* Find(uint64_t key) const {
    if (slots_.empty()) return nullptr;
    const Slot& slot = slots_[Place(key)];
    return slot.key == key ? &slot.value : nullptr;
  }

 private:
  struct Slot {
    uint64_t key = kNoKey;
    Value value{};
  };

  // The slot of `key`, or the empty one where it belongs.
  size_t Place(uint64_t key) const {
    const size_t mask = slots_.size() - 1;
    size_t at = MixBits(key) & mask;
    while (slots_[at].key != key && slots_[at].key != kNoKey) at = (at + 1) & mask;
    return at;
  }

  void Rehash(size_t slots) {
    std::vector<Slot> old(slots);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key != kNoKey) slots_[Place(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two of them, at most half in use
  size_t size_ = 0;
};

}  // namespace rw::tok
