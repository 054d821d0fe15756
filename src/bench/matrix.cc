#include "bench/matrix.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "bench/variants.h"
#include "ops/ops.h"

namespace rw::bench {
namespace {

constexpr int64_t kVocabulary = 32000;
constexpr int64_t kPositions = 4096;
constexpr int64_t kContext = 512;

struct DTypeName {
  DType dtype;
  std::string_view name;
};
constexpr DTypeName kDTypes[] = {{DType::kF32, "float32"},
                                 {DType::kF16, "float16"},
                                 {DType::kBF16, "bfloat16"},
                                 {DType::kF8E4M3, "fp8_e4m3"}};

const std::vector<std::string> kBothLayouts = {"NHD", "HND"};
const std::vector<std::string> kBothCaches = {std::string(kHot), std::string(kCold)};

std::vector<const OpDef*> OpsWithVariants() {
  std::vector<const OpDef*> found;
  for (const OpDef* op : ops::All()) {
    if (HasVariants(*op)) found.push_back(op);
  }
  return found;
}

std::vector<int64_t> PowersOfTwo(int64_t last) {
  std::vector<int64_t> powers;
  for (int64_t n = 1; n <= last; n *= 2) powers.push_back(n);
  return powers;
}

// The values of an axis, or one that stands for all where an op has no such axis.
template <class T>
std::vector<T> AxisIf(bool has, const std::vector<T>& values, T otherwise) {
  return has ? values : std::vector<T>{std::move(otherwise)};
}

void AddPoints(const Axes& axes, const OpDef& op, DType dtype, std::vector<Point>& points) {
  const bool heads = HasHeads(op);
  const bool cache = ops::HasCache(op);
  const ops::CallShape plain{
      .dtype = dtype, .vocabulary = kVocabulary, .positions = kPositions, .context = kContext};
  for (const auto& kv : AxisIf<std::optional<DType>>(cache, axes.kv_dtypes, std::nullopt)) {
    for (const std::string& layout : AxisIf<std::string>(cache, axes.kv_layouts, "")) {
      for (const Heads& h : AxisIf(heads, axes.heads, {plain.hq, plain.hk})) {
        for (const int64_t d : AxisIf(heads, axes.head_dims, plain.d)) {
          for (const int64_t width : AxisIf(!heads, axes.widths, plain.width)) {
            for (const int64_t tokens : axes.tokens) {
              Point point{&op, plain, layout};
              point.shape.kv_dtype = kv.value_or(dtype);
              point.shape.tokens = tokens;
              point.shape.hq = h.hq;
              point.shape.hk = h.hk;
              point.shape.d = d;
              point.shape.width = width;
              points.push_back(std::move(point));
            }
          }
        }
      }
    }
  }
}

}  // namespace

bool HasHeads(const OpDef& op) { return ops::Uses(op, "hk"); }

Axes DefaultAxes() {
  return {.ops = {&ops::kRmsNorm, &ops::kAddRmsNorm, &ops::kSiluMul, &ops::kRope,
                  &ops::kRopeKvWrite, &ops::kQkNormRopeKvWrite},
          .variants = {},
          .head_dims = {64, 128},
          .heads = {{32, 8}},
          .widths = {4096},
          .tokens = {1, 16, 256, 4096},
          .dtypes = {DType::kBF16},
          .kv_dtypes = {std::nullopt},
          .kv_layouts = {"HND"},
          .caches = {std::string(kCold)}};
}

Axes FullAxes() {
  return {.ops = OpsWithVariants(),
          .variants = {},
          .head_dims = {64, 80, 96, 128, 192, 256},
          .heads = {{32, 32}, {32, 8}, {64, 8}, {16, 4}, {8, 2}, {4, 1}},
          .widths = {1024, 2048, 4096, 5120, 8192, 14336},
          .tokens = PowersOfTwo(16384),
          .dtypes = {DType::kBF16, DType::kF16, DType::kF32},
          .kv_dtypes = {std::nullopt, DType::kF8E4M3},
          .kv_layouts = kBothLayouts,
          .caches = kBothCaches};
}

Result<const OpDef*> ParseOp(std::string_view text) {
  const OpDef* op = ops::Find(text);
  if (op != nullptr && op->memory == Memory::kView) {
    return Err("{}: takes no kernel, so there is nothing to measure", text);
  }
  if (op != nullptr) return op;
  std::vector<std::string> known;
  for (const OpDef* other : ops::All()) known.emplace_back(other->name);
  return Err("unknown op {}; the nearest is {}", text, known[Nearest(text, known)]);
}

Result<Heads> ParseHeads(std::string_view text) {
  Heads heads{};
  const char* end = text.data() + text.size();
  const auto [slash, bad_q] = std::from_chars(text.data(), end, heads.hq);
  if (bad_q == std::errc() && slash != end && *slash == '/') {
    const auto [rest, bad_k] = std::from_chars(slash + 1, end, heads.hk);
    if (bad_k == std::errc() && rest == end && heads.hk > 0 && heads.hq > 0 &&
        heads.hq % heads.hk == 0) {
      return heads;
    }
  }
  return Err("expected heads of q and of k as 32/8, the first a multiple of the second, found {}",
             text);
}

Result<DType> ParseActivationDType(std::string_view text) {
  for (const auto& [dtype, name] : kDTypes) {
    if (name == text && dtype != DType::kF8E4M3) return dtype;
  }
  return Err("expected float32, float16 or bfloat16, found {}", text);
}

Result<std::optional<DType>> ParseKvDType(std::string_view text) {
  if (text == "same") return std::optional<DType>();
  if (text == "fp8" || text == LongName(DType::kF8E4M3)) return std::optional(DType::kF8E4M3);
  return Err("expected same or fp8, found {}", text);
}

std::string_view LongName(DType dtype) {
  for (const auto& row : kDTypes) {
    if (row.dtype == dtype) return row.name;
  }
  return Name(dtype);
}

std::vector<Point> PointsOf(const Axes& axes) {
  std::vector<Point> points;
  for (const OpDef* op : axes.ops) {
    for (const DType dtype : axes.dtypes) AddPoints(axes, *op, dtype, points);
  }
  return points;
}

}  // namespace rw::bench
