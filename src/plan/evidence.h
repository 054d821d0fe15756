// Defaults that rest on a measurement, as rows of data. A row answers one question of a plan under
// conditions: device, element type, shape, tokens of a step. Rows come from JSON files
// (evidence_json.h): those of bench/results, which are built in, and a user's own.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "kernels/kernel.h"
#include "kv/kv_cache.h"
#include "plan/knob.h"

namespace rw {

// Whole numbers from `least` to `most`, both included.
struct Bounds {
  static constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
  int64_t least = 1;
  int64_t most = kNoLimit;
  bool Has(int64_t n) const { return least <= n && n <= most; }
  bool operator==(const Bounds&) const = default;
};
std::string ToString(const Bounds& bounds);  // "16", "1-256", "257 and more"

// What the speed of a kernel depends on beside element type and tokens; 0 or nothing: unknown.
struct KernelShape {
  int64_t d = 0;      // head dim
  int64_t hq = 0;     // q heads
  int64_t hk = 0;     // kv heads
  int64_t width = 0;  // elements of a row that ops without heads work on
  std::optional<DType> kv_dtype;
  std::optional<KvLayout> kv_layout;
  bool operator==(const KernelShape&) const = default;
};

// The shapes for which a row holds. What is not known meets no condition.
struct ShapeBounds {
  std::optional<Bounds> d, hq, hk, width;
  std::optional<DType> kv_dtype;
  std::optional<KvLayout> kv_layout;
  bool Has(const KernelShape& shape) const;
  bool operator==(const ShapeBounds&) const = default;
};

enum class EvidenceKind : uint8_t {
  kMeasured,  // by a command of ours, whose result is committed or beside the row
  kCited      // published by others
};

struct EvidenceRow {
  std::string question;  // "pass_config.fuse_rope_kvcache", "custom_ops:rms_norm"
  bool choice = false;   // a fusion on; an op as its hand-written kernel
  // Conditions.
  Device device = Device::kCpu;
  std::string device_name;  // that was measured: "NVIDIA H200"
  std::string arch;         // "sm90"; "x86-64,avx2": with features it must have; empty: any
  std::optional<DType> dtype;
  ShapeBounds where;
  Bounds tokens;
  // What was found, and how.
  EvidenceKind kind = EvidenceKind::kMeasured;
  std::string margin;   // "+3.4 %"
  std::string spread;   // "0.4 %"
  std::string finding;  // in words, where the two do not say it all
  std::string date;
  std::string command;
  std::string commit;
  std::string result;                          // "bench/results/h200/fusions.json"
  std::string source;                          // of a cited row: the thread
  std::map<std::string, std::string> sources;  // "rms_norm@gpu" to the hash of the source measured
  // Where the row stands.
  std::string file;
  bool users = false;  // in a user's own folder
  bool operator==(const EvidenceRow&) const = default;
};

std::string QuestionOf(Knob fusion);          // "pass_config.fuse_rope_kvcache"
std::string QuestionOf(std::string_view op);  // "custom_ops:rms_norm"

// The same question under the same conditions.
bool SameCase(const EvidenceRow& a, const EvidenceRow& b);

// Kernels of the row that this build has, and with another source.
std::vector<std::string> ChangedKernels(const EvidenceRow& row);

// "NVIDIA H200: +3.4 %, spread 0.4 %"
std::string Describe(const EvidenceRow& row);

// Rows by their question, each question's in the order given.
class EvidenceTable {
 public:
  EvidenceTable() = default;
  explicit EvidenceTable(std::vector<EvidenceRow> rows);
  std::span<const EvidenceRow> rows() const { return rows_; }
  std::span<const EvidenceRow> For(std::string_view question) const;

 private:
  std::vector<EvidenceRow> rows_;  // those of one question together
};

// A table that never changes, cheap to hand on.
using Evidence = std::shared_ptr<const EvidenceTable>;

Evidence NoEvidence();
// The rows of bench/results/*/rules.json of the source tree, which the program brings along.
Evidence BuiltinEvidence();
// Those and a user's own.
Evidence WithUserRows(std::vector<EvidenceRow> rows);

}  // namespace rw
