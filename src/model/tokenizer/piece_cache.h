// The ids of pieces seen before. Text repeats its words; merging each anew would cost several times
// as much.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/tokenizer/token_model.h"

namespace rw::tok {

// A PieceEncoder that remembers up to a fixed number of short pieces (some MB in all).
class CachedEncoder : public PieceEncoder {
 public:
  Status Encode(std::string_view piece, std::vector<int32_t>& ids) final;

 protected:
  // Encode for a piece that was not seen before. It may call Encode for parts of it.
  virtual Status EncodeNew(std::string_view piece, std::vector<int32_t>& ids) = 0;

 private:
  struct Entry {
    uint64_t hash = 0;  // 0: empty
    uint32_t text = 0;  // where the piece begins in texts_
    uint32_t first_id = 0;
    uint16_t length = 0;  // bytes
    uint16_t id_count = 0;
  };

  Entry& Place(uint64_t hash, std::string_view piece);
  void Add(uint64_t hash, std::string_view piece, const int32_t* ids, size_t count);
  void Grow();

  std::vector<Entry> entries_;  // a power of two, at most half in use
  size_t size_ = 0;
  std::string texts_;
  std::vector<int32_t> ids_;
};

}  // namespace rw::tok
