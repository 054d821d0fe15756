// What `ropewalk bench kernels` measured: each op's call in its variants, on shapes and numbers of
// tokens.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "plan/evidence.h"

namespace rw::tune {

// How a call is computed: by the op's own kernel, by hand-written kernels of its parts, by code
// generated for them. Others are between the first two ("expanded1").
inline constexpr std::string_view kFused = "fused";
inline constexpr std::string_view kCustom = "custom";
inline constexpr std::string_view kNative = "native";

struct Cell {
  std::string op, variant, cache;
  DType dtype = DType::kF32;
  KernelShape shape;
  int64_t tokens = 0;
  std::string absent;  // why there is no time; empty: there is one
  double median_us = 0, low_us = 0, high_us = 0;
  std::vector<std::string> kernels;            // "rope_kv_write@gpu", in the order of the steps
  std::map<std::string, std::string> sources;  // their hashes, where they are known
  double spread() const { return (high_us - low_us) / 2 / median_us * 100; }  // percent
};

struct Matrix {
  std::string file;
  Device device = Device::kCpu;
  std::string device_name, arch;
  std::string command, date, commit;
  std::vector<Cell> cells;
  double noise = 0;  // percent; 19 of 20 cells spread by no more
};

// Whether `a` beats `b` by more than the spread of either, and by more than the noise of their
// matrix: the quartiles of a few runs may lie close together by chance.
bool Beats(const Cell& a, const Cell& b, double noise);

// The variants of one call by the number of tokens. Cold caches are what a step finds: where a
// number of tokens was measured cold, hot cells are left out.
struct Call {
  std::string op;
  DType dtype = DType::kF32;
  KernelShape shape;
  std::map<int64_t, std::map<std::string, const Cell*, std::less<>>> tokens;
};

constexpr std::string_view kMatrixSchema = "ropewalk-kernels-1";

Result<Matrix> MatrixIn(const Json& root, const std::string& name);
Result<Matrix> ParseMatrix(std::string_view json, const std::string& name);

// Calls of the cells that have a time; they point into the matrix.
std::vector<Call> CallsOf(const Matrix& matrix);

// "rope_kv_write bfloat16, d 128, hq 32, hk 8, kv bfloat16 NHD"
std::string Describe(const Call& call);

}  // namespace rw::tune
