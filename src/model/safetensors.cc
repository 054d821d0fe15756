#include "model/safetensors.h"

#include <cstring>
#include <map>
#include <mutex>

namespace rw {
namespace {

constexpr size_t kPrefixBytes = 8;
constexpr size_t kFormatHeaderLimit = 100'000'000;

// Splits the file after its header, refusing a length that cannot be right before touching more.
Result<std::string_view> HeaderOf(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() < kPrefixBytes) {
    return Err("{}: file offset 0: expected a safetensors file, found only {} bytes", name,
               bytes.size());
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kPrefixBytes; ++i) {
    length |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  }
  const size_t rest = bytes.size() - kPrefixBytes;
  if (length < 2) {
    return Err("{}: file offset 0: expected a header of at least 2 bytes, found length {}", name,
               length);
  }
  if (length > kFormatHeaderLimit) {
    return Err(
        "{}: file offset 0: expected a safetensors header of at most {} bytes, found length "
        "{}",
        name, kFormatHeaderLimit, length);
  }
  if (length > rest) {
    return Err(
        "{}: file offset 0: expected a header that fits the file, found length {} with {} "
        "bytes left: the file is cut short or is no safetensors file",
        name, length, rest);
  }
  if (length > kMaxHeaderBytes) {
    return Err(
        "{}: file offset 0: expected a header of at most {} bytes, found length {}: more "
        "than this build reads",
        name, kMaxHeaderBytes, length);
  }
  return std::string_view(reinterpret_cast<const char*>(bytes.data()) + kPrefixBytes,
                          static_cast<size_t>(length));
}

}  // namespace

struct SafetensorsFile::Copies {
  std::mutex mutex;
  std::map<size_t, std::vector<float>> by_begin;  // float only for its alignment
};

void SafetensorsFile::FreeCopies::operator()(Copies* copies) const { delete copies; }

Result<SafetensorsFile> SafetensorsFile::Open(const std::string& path, std::string shown) {
  if (shown.empty()) shown = path;
  RW_ASSIGN(auto mapped, MappedFile::Open(path));
  RW_ASSIGN(SafetensorsFile file, Parse(mapped->bytes(), std::move(shown)));
  file.file_ = std::move(mapped);
  return file;
}

Result<SafetensorsFile> SafetensorsFile::Parse(std::span<const std::byte> bytes, std::string name) {
  RW_ASSIGN(const std::string_view header, HeaderOf(bytes, name));
  SafetensorsFile file;
  file.name_ = std::move(name);
  file.bytes_ = bytes;
  file.data_ = bytes.subspan(kPrefixBytes + header.size());
  RW_ASSIGN(file.header_, ParseSafetensorsHeader(header, file.data_.size(), file.name_));
  file.copies_.reset(new Copies);
  return file;
}

std::span<const std::byte> SafetensorsFile::DataOf(const SafetensorsEntry& entry) const {
  return data_.subspan(entry.begin, entry.end - entry.begin);
}

Result<TensorView> SafetensorsFile::Find(std::string_view tensor) const {
  const SafetensorsEntry* entry = FindEntry(tensor);
  if (entry == nullptr) {
    return Err("{}: tensor {}: expected among {} tensors, not found", name_, QuoteName(tensor),
               entries().size());
  }
  return View(*entry);
}

Result<TensorView> SafetensorsFile::View(const SafetensorsEntry& entry) const {
  if (!entry.type->dtype) {
    return Err("{}: tensor {}: expected dtype F32, F16, BF16 or I32, found {}", name_,
               QuoteName(entry.name), entry.type->name);
  }
  if (entry.shape.size() > kMaxRank) {
    return Err("{}: tensor {}: expected at most {} dims, found {}", name_, QuoteName(entry.name),
               kMaxRank, ListText(entry.shape));
  }
  std::span<const std::byte> bytes = DataOf(entry);
  if (bytes.empty()) {
    return Err("{}: tensor {}: expected at least one element, found shape {}", name_,
               QuoteName(entry.name), ListText(entry.shape));
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % SizeOf(*entry.type->dtype) != 0) {
    const std::lock_guard lock(copies_->mutex);
    std::vector<float>& copy = copies_->by_begin[entry.begin];
    if (copy.empty()) {
      copy.resize((bytes.size() + sizeof(float) - 1) / sizeof(float));
      std::memcpy(copy.data(), bytes.data(), bytes.size());
    }
    bytes = std::as_bytes(std::span(copy)).first(bytes.size());
  }
  return TensorView::Contiguous(const_cast<std::byte*>(bytes.data()), *entry.type->dtype,
                                entry.shape);
}

}  // namespace rw
