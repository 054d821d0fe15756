#include "model/gguf_value.h"

#include <array>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "model/safetensors_lexer.h"

namespace rw {
namespace {

struct KindRow {
  std::string_view name;  // for messages
  size_t size;
  bool whole;
};
constexpr std::array<KindRow, 13> kKinds = {{
    {"u8", 1, true},
    {"i8", 1, true},
    {"u16", 2, true},
    {"i16", 2, true},
    {"u32", 4, true},
    {"i32", 4, true},
    {"f32", 4, false},
    {"bool", 1, false},
    {"string", 0, false},
    {"array", 0, false},
    {"u64", 8, true},
    {"i64", 8, true},
    {"f64", 8, false},
}};

const KindRow& RowOf(GgufKind kind) { return kKinds[static_cast<size_t>(kind)]; }

bool IsSigned(GgufKind kind) {
  return kind == GgufKind::kI8 || kind == GgufKind::kI16 || kind == GgufKind::kI32 ||
         kind == GgufKind::kI64;
}

uint64_t LoadUnsigned(size_t size, std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

int64_t LoadWhole(GgufKind kind, std::span<const std::byte> bytes) {
  const size_t size = RowOf(kind).size;
  const uint64_t value = LoadUnsigned(size, bytes);
  if (!IsSigned(kind)) return static_cast<int64_t>(value);
  const size_t unused = 64 - 8 * size;
  return static_cast<int64_t>(value << unused) >> unused;
}

// kind is a number.
double LoadNumber(GgufKind kind, std::span<const std::byte> bytes) {
  if (kind == GgufKind::kF32) return std::bit_cast<float>(LoadLittleEndian<uint32_t>(bytes));
  if (kind == GgufKind::kF64) return std::bit_cast<double>(LoadLittleEndian<uint64_t>(bytes));
  if (kind == GgufKind::kU64) return static_cast<double>(LoadUnsigned(8, bytes));
  return static_cast<double>(LoadWhole(kind, bytes));
}

bool IsNumber(GgufKind kind) {
  return RowOf(kind).whole || kind == GgufKind::kF32 || kind == GgufKind::kF64;
}

std::string_view TextAt(std::span<const std::byte> bytes) {
  const auto length = static_cast<size_t>(LoadLittleEndian<uint64_t>(bytes));
  return {reinterpret_cast<const char*>(bytes.data()) + sizeof(uint64_t), length};
}

}  // namespace

size_t SizeOfGguf(GgufKind kind) {
  return static_cast<size_t>(kind) < kKinds.size() ? RowOf(kind).size : 0;
}

Result<int64_t> GgufValue::AsInt() const {
  if (!RowOf(kind_).whole) return Expected("a whole number");
  const int64_t value = LoadWhole(kind_, bytes_);
  if (kind_ == GgufKind::kU64 && value < 0) return Expected("a whole number below 2^63");
  return value;
}

Result<double> GgufValue::AsDouble() const {
  if (!IsNumber(kind_)) return Expected("a number");
  return LoadNumber(kind_, bytes_);
}

Result<bool> GgufValue::AsBool() const {
  if (kind_ != GgufKind::kBool) return Expected("a bool");
  return bytes_[0] != std::byte{0};
}

Result<std::string_view> GgufValue::AsString() const {
  if (kind_ != GgufKind::kString) return Expected("a string");
  return TextAt(bytes_);
}

Result<std::string> GgufValue::NumberText() const {
  RW_ASSIGN(const double value, AsDouble());
  if (!std::isfinite(value)) return Expected("a finite number");
  if (kind_ == GgufKind::kF32) return fmt::format("{}", static_cast<float>(value));
  if (kind_ == GgufKind::kF64) return fmt::format("{}", value);
  RW_ASSIGN(const int64_t whole, AsInt());
  return fmt::format("{}", whole);
}

Status GgufValue::ForEachString(
    const std::function<Status(size_t, std::string_view)>& visit) const {
  if (kind_ != GgufKind::kArray || element_ != GgufKind::kString) {
    return Expected("an array of strings");
  }
  std::span<const std::byte> rest = bytes_;
  for (size_t i = 0; i < count_; ++i) {
    const std::string_view text = TextAt(rest);
    RW_TRY(visit(i, text));
    rest = rest.subspan(sizeof(uint64_t) + text.size());
  }
  return {};
}

Status GgufValue::ForEachNumber(const std::function<Status(size_t, double)>& visit) const {
  if (kind_ != GgufKind::kArray || !IsNumber(element_)) return Expected("an array of numbers");
  const size_t size = RowOf(element_).size;
  for (size_t i = 0; i < count_; ++i) {
    RW_TRY(visit(i, LoadNumber(element_, bytes_.subspan(i * size))));
  }
  return {};
}

tl::unexpected<Error> GgufValue::Expected(std::string_view wanted) const {
  std::string found;
  if (kind_ == GgufKind::kString) {
    found = QuoteName(TextAt(bytes_));
  } else if (kind_ == GgufKind::kArray) {
    found = fmt::format("an array of {} {}", count_, RowOf(element_).name);
  } else if (kind_ == GgufKind::kBool) {
    found = bytes_[0] != std::byte{0} ? "true" : "false";
  } else {
    found = fmt::format("{} ({})", LoadNumber(kind_, bytes_), RowOf(kind_).name);
  }
  return Err("{}: expected {}, found {}", where_, wanted, found);
}

}  // namespace rw
