#include "quant/scheme.h"

namespace rw {
namespace {

constexpr QuantScheme kSchemes[] = {
    {"int8", DType::kI8G32, DType::kI8G32},
    {"int8-zp", DType::kI8G32Z, DType::kI8G32Z},
    {"int8-g128", DType::kI8G128, DType::kI8G128},
    {"int8-g128-zp", DType::kI8G128Z, DType::kI8G128Z},
    {"int4", DType::kI4G32, DType::kI8G32},
    {"int4-zp", DType::kI4G32Z, DType::kI8G32},
    {"int4-g128", DType::kI4G128, DType::kI8G32},
    {"int4-g128-zp", DType::kI4G128Z, DType::kI8G32},
};

}  // namespace

std::span<const QuantScheme> QuantSchemes() { return kSchemes; }

const QuantScheme* FindQuantScheme(std::string_view name) {
  for (const QuantScheme& scheme : kSchemes) {
    if (scheme.name == name) return &scheme;
  }
  return nullptr;
}

}  // namespace rw
