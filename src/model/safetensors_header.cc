#include "model/safetensors_header.h"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <utility>

#include "model/safetensors_lexer.h"

namespace rw {
namespace {

// Sizes as the reference implementation (safetensors 0.8) has them.
constexpr std::array kDTypes = {
    SafetensorsDType{"F32", 32, DType::kF32},
    SafetensorsDType{"F16", 16, DType::kF16},
    SafetensorsDType{"BF16", 16, DType::kBF16},
    SafetensorsDType{"I32", 32, DType::kI32},
    SafetensorsDType{"F64", 64, std::nullopt},
    SafetensorsDType{"C64", 64, std::nullopt},
    SafetensorsDType{"I64", 64, std::nullopt},
    SafetensorsDType{"U64", 64, std::nullopt},
    SafetensorsDType{"U32", 32, std::nullopt},
    SafetensorsDType{"I16", 16, std::nullopt},
    SafetensorsDType{"U16", 16, std::nullopt},
    SafetensorsDType{"I8", 8, std::nullopt},
    SafetensorsDType{"U8", 8, std::nullopt},
    SafetensorsDType{"BOOL", 8, std::nullopt},
    SafetensorsDType{"F8_E4M3", 8, std::nullopt},
    SafetensorsDType{"F8_E5M2", 8, std::nullopt},
    SafetensorsDType{"F8_E8M0", 8, std::nullopt},
    SafetensorsDType{"F8_E4M3FNUZ", 8, std::nullopt},
    SafetensorsDType{"F8_E5M2FNUZ", 8, std::nullopt},
    SafetensorsDType{"F6_E2M3", 6, std::nullopt},
    SafetensorsDType{"F6_E3M2", 6, std::nullopt},
    SafetensorsDType{"F4", 4, std::nullopt},
};

std::string DTypeNames() {
  std::string names;
  for (const auto& row : kDTypes) fmt::format_to(std::back_inserter(names), " {}", row.name);
  return names;
}

using Key = SafetensorsHeader::Key;

size_t HashOf(std::string_view name) { return std::hash<std::string_view>()(name); }

class HeaderParser {
 public:
  HeaderParser(std::string_view header, size_t data_bytes, const std::string& where)
      : lexer_(header, where), data_bytes_(data_bytes), where_(where) {}

  Result<SafetensorsHeader> Run() {
    RW_TRY(ReadHeader());
    RW_TRY(CheckCover());
    RW_ASSIGN(std::vector<Key> by_hash, SortByHash());
    return SafetensorsHeader{std::move(entries_), std::move(by_hash)};
  }

 private:
  Status ReadHeader() {
    RW_TRY(lexer_.Expect('{'));
    std::string key;
    for (bool first = true;; first = false) {
      RW_ASSIGN(const bool more, lexer_.NextItem('}', first));
      if (!more) break;
      RW_TRY(lexer_.ReadString(&key));
      RW_TRY(lexer_.Expect(':'));
      if (key == "__metadata__") {
        RW_TRY(ReadMetadata());
      } else {
        lexer_.set_tensor(&key);
        RW_TRY(ReadTensor(key));
        lexer_.set_tensor(nullptr);
      }
    }
    return lexer_.ExpectEnd();
  }

  // Checked for its form only: nothing in it bears on how tensors are read.
  Status ReadMetadata() {
    if (seen_metadata_) return lexer_.Fail("\"__metadata__\" once, found it twice");
    seen_metadata_ = true;
    RW_TRY(lexer_.Expect('{'));
    for (bool first = true;; first = false) {
      RW_ASSIGN(const bool more, lexer_.NextItem('}', first));
      if (!more) return {};
      RW_TRY(lexer_.ReadString(nullptr));
      RW_TRY(lexer_.Expect(':'));
      RW_TRY(lexer_.ReadString(nullptr));
    }
  }

  Status ReadTensor(const std::string& name) {
    if (entries_.size() == kMaxTensors) {
      return lexer_.Fail(fmt::format("at most {} tensors, found more", kMaxTensors));
    }
    SafetensorsEntry& entry = entries_.emplace_back();
    entry.name = name;
    std::optional<std::vector<size_t>> shape, offsets;
    RW_TRY(lexer_.Expect('{'));
    for (bool first = true;; first = false) {
      RW_ASSIGN(const bool more, lexer_.NextItem('}', first));
      if (!more) break;
      RW_TRY(lexer_.ReadString(&field_));
      RW_TRY(lexer_.Expect(':'));
      if (field_ == "dtype" && entry.type == nullptr) {
        RW_TRY(ReadDType(entry));
      } else if (field_ == "shape" && !shape) {
        RW_ASSIGN(shape, ReadNumbers(kMaxTensorDims));
      } else if (field_ == "data_offsets" && !offsets) {
        RW_ASSIGN(offsets, ReadNumbers(2));
      } else {
        return lexer_.Fail(
            fmt::format("dtype, shape and data_offsets once each, found {}", QuoteName(field_)));
      }
    }
    if (entry.type == nullptr || !shape || !offsets || offsets->size() != 2) {
      return lexer_.Fail(fmt::format("dtype, shape and two data_offsets, found {}",
                                     Missing(entry, shape, offsets)));
    }
    return SetExtent(entry, *shape, (*offsets)[0], (*offsets)[1]);
  }

  static std::string Missing(const SafetensorsEntry& entry,
                             const std::optional<std::vector<size_t>>& shape,
                             const std::optional<std::vector<size_t>>& offsets) {
    if (entry.type == nullptr) return "no dtype";
    if (!shape) return "no shape";
    if (!offsets) return "no data_offsets";
    return fmt::format("{} data_offsets", offsets->size());
  }

  Status ReadDType(SafetensorsEntry& entry) {
    RW_TRY(lexer_.ReadString(&field_));
    entry.type = FindSafetensorsDType(field_);
    if (entry.type != nullptr) return {};
    return lexer_.Fail(fmt::format("a dtype out of{}, found {}", DTypeNames(), QuoteName(field_)));
  }

  Result<std::vector<size_t>> ReadNumbers(size_t limit) {
    std::vector<size_t> numbers;
    RW_TRY(lexer_.Expect('['));
    for (bool first = true;; first = false) {
      RW_ASSIGN(const bool more, lexer_.NextItem(']', first));
      if (!more) return numbers;
      if (numbers.size() == limit) {
        return lexer_.Fail(fmt::format("at most {} numbers in {}, found more", limit, field_));
      }
      RW_ASSIGN(const size_t number, lexer_.ReadNumber());
      numbers.push_back(number);
    }
  }

  Status SetExtent(SafetensorsEntry& entry, const std::vector<size_t>& shape, size_t begin,
                   size_t end) {
    size_t bits = static_cast<size_t>(entry.type->bits);
    for (const size_t dim : shape) {
      if (__builtin_mul_overflow(bits, dim, &bits) || dim > size_t{INT64_MAX}) {
        return Err("{}: tensor {}: expected a shape of less than 2^64 bits, found {}", where_,
                   QuoteName(entry.name), ListText(shape));
      }
    }
    if (begin > end || end > data_bytes_) {
      return Err(
          "{}: tensor {}: expected data_offsets in order within the {} bytes of data, "
          "found [{}, {}]",
          where_, QuoteName(entry.name), data_bytes_, begin, end);
    }
    if (bits % 8 != 0 || bits / 8 != end - begin) {
      return Err("{}: tensor {}: expected {} bytes for {} {}, found {} (data_offsets [{}, {}])",
                 where_, QuoteName(entry.name), (bits + 7) / 8, entry.type->name, ListText(shape),
                 end - begin, begin, end);
    }
    entry.shape.assign(shape.begin(), shape.end());
    entry.begin = begin;
    entry.end = end;
    return {};
  }

  // A sorted list of hashes, unlike a hash table, has no bad case: names chosen to collide are told
  // apart by comparing them, as if there were no hash.
  Result<std::vector<Key>> SortByHash() const {
    std::vector<Key> keys;
    keys.reserve(entries_.size());
    for (size_t i = 0; i < entries_.size(); ++i) keys.push_back({HashOf(entries_[i].name), i});
    const auto name = [&](const Key& key) -> const std::string& {
      return entries_[key.entry].name;
    };
    std::sort(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
      return a.hash != b.hash ? a.hash < b.hash : name(a) < name(b);
    });
    const auto twice = std::adjacent_find(
        keys.begin(), keys.end(),
        [&](const Key& a, const Key& b) { return a.hash == b.hash && name(a) == name(b); });
    if (twice == keys.end()) return keys;
    return Err("{}: tensor {}: expected once, found twice", where_, QuoteName(name(*twice)));
  }

  Status CheckCover() const {
    std::vector<const SafetensorsEntry*> order;
    order.reserve(entries_.size());
    for (const auto& entry : entries_) order.push_back(&entry);
    const auto before = [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
      return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
    };
    if (!std::is_sorted(order.begin(), order.end(), before)) {  // writers keep them in order
      std::sort(order.begin(), order.end(), before);
    }
    size_t covered = 0;
    for (const auto* entry : order) {
      if (entry->begin != covered) {
        return Err(
            "{}: tensor {}: expected its data to begin at offset {}, where the tensor before "
            "it ends, found {} ({})",
            where_, QuoteName(entry->name), covered, entry->begin,
            entry->begin < covered ? "they overlap" : "a gap");
      }
      covered = entry->end;
    }
    if (covered == data_bytes_) return {};
    return Err("{}: expected {} bytes of data as the header says, found {}", where_, covered,
               data_bytes_);
  }

  SafetensorsLexer lexer_;
  size_t data_bytes_;
  const std::string& where_;
  std::vector<SafetensorsEntry> entries_;
  std::string field_;
  bool seen_metadata_ = false;
};

}  // namespace

const SafetensorsDType* FindSafetensorsDType(std::string_view name) {
  const auto row = std::find_if(kDTypes.begin(), kDTypes.end(),
                                [&](const SafetensorsDType& type) { return type.name == name; });
  return row == kDTypes.end() ? nullptr : &*row;
}

const SafetensorsEntry* SafetensorsHeader::Find(std::string_view name) const {
  const size_t hash = HashOf(name);
  auto key = std::lower_bound(by_hash.begin(), by_hash.end(), hash,
                              [](const Key& a, size_t wanted) { return a.hash < wanted; });
  for (; key != by_hash.end() && key->hash == hash; ++key) {
    if (entries[key->entry].name == name) return &entries[key->entry];
  }
  return nullptr;
}

Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view header, size_t data_bytes,
                                                 const std::string& where) {
  return HeaderParser(header, data_bytes, where).Run();
}

}  // namespace rw
