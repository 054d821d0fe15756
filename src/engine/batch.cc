#include "engine/batch.h"

#include <algorithm>

#include "base/check.h"
#include "kv/kv_cache.h"

namespace rw {

void Batch::Add(std::span<const int32_t> new_tokens, int64_t begin, int64_t rope_offset,
                std::span<const int32_t> pages, bool wants_logits) {
  const int64_t end = begin + static_cast<int64_t>(new_tokens.size());
  RW_CHECK(!new_tokens.empty() && end <= static_cast<int64_t>(pages.size()) * kPageSize);
  for (int64_t position = begin; position < end; ++position) {
    tokens.push_back(new_tokens[static_cast<size_t>(position - begin)]);
    positions.push_back(static_cast<int32_t>(rope_offset + position));
    const int64_t page = pages[static_cast<size_t>(position / kPageSize)];
    slots.push_back(static_cast<int32_t>(page * kPageSize + position % kPageSize));
  }
  query_start.push_back(static_cast<int32_t>(tokens.size()));
  lengths.push_back(static_cast<int32_t>(end));
  const int64_t used = (end + kPageSize - 1) / kPageSize;
  pages_.emplace_back(pages.begin(), pages.begin() + used);
  if (wants_logits) logit_rows.push_back(static_cast<int32_t>(tokens.size()) - 1);
}

void Batch::Finish() {
  pages_per_row = 0;
  for (const auto& row : pages_) {
    pages_per_row = std::max(pages_per_row, static_cast<int64_t>(row.size()));
  }
  block_table.clear();
  for (const auto& row : pages_) {
    block_table.insert(block_table.end(), row.begin(), row.end());
    block_table.resize(block_table.size() + static_cast<size_t>(pages_per_row) - row.size(), -1);
  }
}

}  // namespace rw
