// Tokens' texts and ids, both ways.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace rw::tok {

// Which ids may not be produced; empty: none of them.
using IdSet = std::vector<bool>;

class Vocab {
 public:
  struct Entry {
    std::string_view text;
    int32_t id;
  };
  // Ids may have gaps, but no more than 15 missing for each that is there (and a few thousand), so
  // that tables by id stay in proportion to the file. Two entries of one id are an error, and so
  // are two of one text unless `repeats_allowed`, where the later one answers Find. `place` stands
  // for the list in messages.
  static Result<Vocab> Build(const std::vector<Entry>& entries, bool repeats_allowed,
                             const Json& place);

  std::optional<int32_t> Find(std::string_view text) const;
  bool Has(int32_t id) const { return id >= 0 && id < end_id() && texts_[id].present; }
  std::string_view Text(int32_t id) const;                                // Has(id)
  int32_t end_id() const { return static_cast<int32_t>(texts_.size()); }  // largest id + 1
  size_t size() const { return size_; }

 private:
  struct Place {
    uint32_t offset = 0;
    uint32_t length = 0;
    bool present = false;
  };

  size_t SlotOf(std::string_view text) const;

  std::string bytes_;
  std::vector<Place> texts_;    // by id
  std::vector<int32_t> slots_;  // ids by hash of their text, -1 where empty; a power of two
  size_t size_ = 0;
};

// The limit on gaps, for ids up to `largest` among `count` entries.
bool TooSparse(int64_t largest, size_t count);

}  // namespace rw::tok
