// What gpu_bench times: cases, each a kernel or a chain of them on one shape.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/attrs.h"
#include "gpu_roofs.h"
#include "kv/kv_cache.h"

namespace rw::bench {

constexpr DType kType = DType::kBF16;  // of activations, weights and caches
constexpr int64_t kSize = 2;           // its bytes

struct Heads {
  int64_t hq, hk, d;
};

struct Case {
  std::string group;    // what is compared, "rope_kv_write"
  std::string shape;    // "32/8x128"
  int64_t n = 0;        // tokens, or sequences that decode
  std::string variant;  // who does it; the first of a group and shape is ours
  int64_t bytes = 0;    // that must move, once each
  int64_t flops = 0;
  bool reads = false;  // hardly writes: held against the roof of reads instead of that of copies
  bool early = true;   // kernels may be launched early
  StepBounds bounds;
  // Makes one set of operands and returns the work on it; none if a kernel is missing.
  std::function<Work(Arena& arena)> make;

  std::string name() const { return fmt::format("{}/{}/n={}/{}", group, shape, n, variant); }
};

using Cases = std::vector<Case>;
void AddRopeCases(bool quick, Cases& cases);  // gpu_rope.cu: rope_kv_write, qk_norm_rope_kv_write
void AddRowCases(bool quick, Cases& cases);   // add_rms_norm, silu_mul, sample
void AddLinearCases(bool quick, Cases& cases);
void AddAttentionCases(bool quick, Cases& cases);

// Whether the naive kernel that rope_kv_write is held against does the same, bit for bit; nothing
// where one of them is missing.
std::optional<bool> NaiveRopeAgrees(const Gpu& gpu, Arena& arena);

// Tokens of a step: from one sequence that decodes to long prompts.
std::vector<int64_t> TokenCounts(bool quick);

// A call of a kernel found as the lowering finds it; none if there is no such kernel.
Work Bind(std::string_view op, std::vector<TensorView> in, std::vector<TensorView> out,
          const Attrs& attrs = {}, std::optional<KvLayerView> kv = {},
          std::string_view provider = "gpu");
// A call of generated code.
Work BindProgram(const native::Program& program, std::vector<TensorView> in,
                 std::vector<TensorView> out, std::optional<KvLayerView> kv = {});
// One after the other; none if one is none.
Work Chain(std::vector<Work> works);

}  // namespace rw::bench
