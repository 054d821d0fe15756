// The cases of `bench kernels`: a matrix of ops and what their calls may look like.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "ir/op.h"
#include "ops/inputs.h"

namespace rw::bench {

inline constexpr std::string_view kHot = "hot";
inline constexpr std::string_view kCold = "cold";

struct Heads {
  int64_t hq, hk;
  bool operator==(const Heads&) const = default;
};

// What each axis runs over. An op takes part in the axes that its signature has.
struct Axes {
  std::vector<const OpDef*> ops;
  std::vector<std::string> variants;  // empty: all
  std::vector<int64_t> head_dims;
  std::vector<Heads> heads;
  std::vector<int64_t> widths;
  std::vector<int64_t> tokens;
  std::vector<DType> dtypes;
  std::vector<std::optional<DType>> kv_dtypes;  // nullopt: that of activations
  std::vector<std::string> kv_layouts;          // "NHD", "HND"
  std::vector<std::string> caches;              // kHot, kCold
};

Axes DefaultAxes();  // about two minutes
Axes FullAxes();     // everything there is

// One value of an axis as a flag or a file spells it. Errors say what is known.
Result<const OpDef*> ParseOp(std::string_view text);        // one that has variants or is a kernel
Result<Heads> ParseHeads(std::string_view text);            // "32/8"
Result<DType> ParseActivationDType(std::string_view text);  // "bfloat16"
Result<std::optional<DType>> ParseKvDType(std::string_view text);  // "same", "fp8"
std::string_view LongName(DType dtype);                            // "bfloat16", "fp8_e4m3"

// One call with one layout of the cache: what all variants are measured on.
struct Point {
  const OpDef* op;
  ops::CallShape shape;
  std::string kv_layout;  // empty: no cache
};
std::vector<Point> PointsOf(const Axes& axes);

// Whether the shape of such calls is given by heads, or else by a width.
bool HasHeads(const OpDef& op);

}  // namespace rw::bench
