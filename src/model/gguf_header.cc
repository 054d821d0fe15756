#include "model/gguf_header.h"

#include <algorithm>
#include <bit>

#include "base/tensor.h"
#include "model/safetensors_lexer.h"

namespace rw {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint32_t kOldest = 2;
constexpr uint32_t kNewest = 3;
constexpr char kAlignmentKey[] = "general.alignment";
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& where)
      : bytes_(bytes), where_(where) {}

  Result<GgufHeader> Run() {
    RW_TRY(ReadPreamble());
    RW_ASSIGN(const auto tensors, Read<uint64_t>("the number of tensors"));
    RW_ASSIGN(const auto keys, Read<uint64_t>("the number of keys"));
    if (keys > kMaxGgufKeys) return Fail("at most {} keys, found {}", kMaxGgufKeys, keys);
    if (tensors > kMaxGgufTensors) {
      return Fail("at most {} tensors, found {}", kMaxGgufTensors, tensors);
    }
    for (uint64_t i = 0; i < keys; ++i) RW_TRY(ReadKey());
    for (uint64_t i = 0; i < tensors; ++i) RW_TRY(ReadTensor());
    RW_TRY(PlaceData());
    return std::move(header_);
  }

 private:
  template <class... Args>
  tl::unexpected<Error> Fail(fmt::format_string<Args...> format, Args&&... args) const {
    return Err("{}: file offset {}: {}expected {}", where_, at_, subject_,
               fmt::format(format, std::forward<Args>(args)...));
  }

  size_t left() const { return bytes_.size() - at_; }

  template <class T>
  Result<T> Read(std::string_view what) {
    if (left() < sizeof(T)) return Fail("{}, found the file's end: it is cut short", what);
    const T value = LoadLittleEndian<T>(bytes_.subspan(at_));
    at_ += sizeof(T);
    return value;
  }

  Result<std::string_view> ReadString(std::string_view what, uint64_t longest) {
    RW_ASSIGN(const auto length, Read<uint64_t>(what));
    if (length > longest) return Fail("{} of at most {} bytes, found {}", what, longest, length);
    if (length > left()) {
      return Fail("{}, found a length of {} with {} bytes left: the file is cut short", what,
                  length, left());
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + at_, length);
    at_ += length;
    return text;
  }

  Status ReadPreamble() {
    const std::string_view start(reinterpret_cast<const char*>(bytes_.data()),
                                 std::min(bytes_.size(), kMagic.size()));
    if (start != kMagic) return Fail("a GGUF file, which begins with GGUF, found {}", Shown(start));
    at_ = kMagic.size();
    RW_ASSIGN(const auto version, Read<uint32_t>("a version"));
    if (version >= kOldest && version <= kNewest) return {};
    if (__builtin_bswap32(version) <= kNewest) {
      return Fail(
          "little-endian numbers, found a big-endian file: convert it with "
          "gguf_convert_endian.py of llama.cpp");
    }
    return Fail("version {} or {}, found {}", kOldest, kNewest, version);
  }

  static std::string Shown(std::string_view start) {
    return start.empty() ? "an empty file" : QuoteName(start);
  }

  Status ReadKey() {
    RW_ASSIGN(const std::string_view key, ReadString("a key", kMaxGgufName));
    subject_ = fmt::format("key {}: ", QuoteName(key));
    if (!header_.key_places.emplace(key, header_.values.size()).second) {
      return Fail("this key once, found it twice");
    }
    RW_ASSIGN(const GgufKind kind, ReadKind());
    GgufKind element = kind;
    uint64_t count = 1;
    if (kind == GgufKind::kArray) {
      RW_ASSIGN(element, ReadKind());
      if (element == GgufKind::kArray) return Fail("an array of values, found one of arrays");
      RW_ASSIGN(count, Read<uint64_t>("an array's count"));
    }
    const size_t begin = at_;
    RW_TRY(Skip(element, count));
    header_.values.emplace_back(fmt::format("{}: {}", where_, Plain(key)), kind, element, count,
                                bytes_.subspan(begin, at_ - begin));
    subject_.clear();
    return {};
  }

  static std::string Plain(std::string_view key) {
    const std::string quoted = QuoteName(key);
    return quoted.substr(1, quoted.size() - 2);
  }

  Result<GgufKind> ReadKind() {
    RW_ASSIGN(const auto id, Read<uint32_t>("a value's type"));
    if (id <= static_cast<uint32_t>(GgufKind::kF64)) return static_cast<GgufKind>(id);
    at_ -= sizeof(id);
    return Fail("a type of value from 0 to 12, found {}", id);
  }

  Status Skip(GgufKind kind, uint64_t count) {
    if (kind == GgufKind::kString) {
      for (uint64_t i = 0; i < count; ++i) RW_TRY(ReadString("a string", bytes_.size()));
      return {};
    }
    const size_t size = SizeOfGguf(kind);
    if (count > left() / size) {
      return Fail("{} values of {} bytes, found {} bytes left: the file is cut short", count, size,
                  left());
    }
    at_ += count * size;
    return {};
  }

  Status ReadTensor() {
    RW_ASSIGN(const std::string_view name, ReadString("a tensor's name", kMaxGgufName));
    subject_ = fmt::format("tensor {}: ", QuoteName(name));
    GgufTensor tensor;
    tensor.name = name;
    if (!header_.tensor_places.emplace(name, header_.tensors.size()).second) {
      return Fail("this tensor once, found it twice");
    }
    RW_TRY(ReadShape(tensor));
    RW_ASSIGN(const auto type, Read<uint32_t>("a tensor's type"));
    tensor.type = FindGgufTensorType(type);
    if (tensor.type == nullptr) return Fail("a known tensor type, found {}", type);
    RW_ASSIGN(tensor.begin, Read<uint64_t>("a tensor's offset"));
    RW_ASSIGN(tensor.end, SizeOf(tensor));  // until PlaceData
    header_.tensors.push_back(std::move(tensor));
    subject_.clear();
    return {};
  }

  Status ReadShape(GgufTensor& tensor) {
    RW_ASSIGN(const auto dims, Read<uint32_t>("a number of dims"));
    if (dims < 1 || dims > kMaxRank) return Fail("1 to {} dims, found {}", kMaxRank, dims);
    int64_t elements = 1;
    for (uint32_t i = 0; i < dims; ++i) {
      RW_ASSIGN(const auto dim, Read<uint64_t>("a dim"));
      const auto whole = static_cast<int64_t>(dim);
      if (whole < 1 || __builtin_mul_overflow(elements, whole, &elements)) {
        return Fail("dims of at least 1 whose product fits 63 bits, found {}", dim);
      }
      tensor.shape.insert(tensor.shape.begin(), whole);
    }
    return {};
  }

  Result<size_t> SizeOf(const GgufTensor& tensor) const {
    const GgufTensorType& type = *tensor.type;
    if (tensor.width() % type.block != 0) {
      return Fail("rows of a multiple of {} elements for type {}, found {}", type.block, type.name,
                  tensor.width());
    }
    int64_t bytes = 0;
    if (__builtin_mul_overflow(tensor.rows() * (tensor.width() / type.block), type.block_bytes,
                               &bytes)) {
      return Fail("a size that fits 63 bits, found {} blocks of {} bytes",
                  tensor.rows() * (tensor.width() / type.block), type.block_bytes);
    }
    return static_cast<size_t>(bytes);
  }

  Result<uint64_t> Alignment() const {
    const auto place = header_.key_places.find(kAlignmentKey);
    if (place == header_.key_places.end()) return kDefaultAlignment;
    const GgufValue& value = header_.values[place->second];
    RW_ASSIGN(const int64_t alignment, value.AsInt());
    const auto found = static_cast<uint64_t>(alignment);
    if (alignment < 1 || found > kMaxAlignment || !std::has_single_bit(found)) {
      return value.Expected(fmt::format("a power of two up to {}", kMaxAlignment));
    }
    return found;
  }

  // From offsets and sizes to places in the file.
  Status PlaceData() {
    RW_ASSIGN(const uint64_t alignment, Alignment());
    const size_t data = (at_ + alignment - 1) / alignment * alignment;
    const size_t room = bytes_.size() - std::min(data, bytes_.size());
    std::vector<const GgufTensor*> in_order;
    for (GgufTensor& tensor : header_.tensors) {
      const size_t size = tensor.end;
      subject_ = fmt::format("tensor {}: ", QuoteName(tensor.name));
      if (tensor.begin % alignment != 0) {
        return Fail("an offset that is a multiple of {}, found {}", alignment, tensor.begin);
      }
      if (tensor.begin > room || size > room - tensor.begin) {
        return Fail(
            "{} bytes at offset {} of the data, found {} bytes of data: the file is cut "
            "short",
            size, tensor.begin, room);
      }
      tensor.begin += data;
      tensor.end = tensor.begin + size;
      in_order.push_back(&tensor);
    }
    return CheckApart(std::move(in_order));
  }

  Status CheckApart(std::vector<const GgufTensor*> tensors) {
    std::ranges::sort(tensors, {}, [](const GgufTensor* tensor) { return tensor->begin; });
    for (size_t i = 1; i < tensors.size(); ++i) {
      if (tensors[i]->begin >= tensors[i - 1]->end) continue;
      subject_ = fmt::format("tensor {}: ", QuoteName(tensors[i]->name));
      return Fail("its data apart from that of {}, found both at file offset {}",
                  QuoteName(tensors[i - 1]->name), tensors[i]->begin);
    }
    return {};
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
  size_t at_ = 0;
  std::string subject_;  // what is being read: "tensor \"x\": "
  GgufHeader header_;
};

}  // namespace

int64_t GgufTensor::rows() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

Result<GgufHeader> ParseGgufHeader(std::span<const std::byte> bytes, const std::string& where) {
  return Parser(bytes, where).Run();
}

}  // namespace rw
