#include "plan/evidence.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

#include "kernels/source_hash.h"

namespace rw {
namespace {

bool Meets(const std::optional<Bounds>& bounds, int64_t value) {
  return !bounds || (value > 0 && bounds->Has(value));
}

template <class T>
bool Equals(const std::optional<T>& wanted, const std::optional<T>& found) {
  return !wanted || wanted == found;
}

}  // namespace

std::string ToString(const Bounds& bounds) {
  if (bounds.most == Bounds::kNoLimit) {
    return bounds.least <= 1 ? "any number" : fmt::format("{} and more", bounds.least);
  }
  return bounds.least == bounds.most ? fmt::format("{}", bounds.least)
                                     : fmt::format("{}-{}", bounds.least, bounds.most);
}

bool ShapeBounds::Has(const KernelShape& shape) const {
  return Meets(d, shape.d) && Meets(hq, shape.hq) && Meets(hk, shape.hk) &&
         Meets(width, shape.width) && Equals(kv_dtype, shape.kv_dtype) &&
         Equals(kv_layout, shape.kv_layout);
}

std::string QuestionOf(Knob fusion) { return std::string(Def(fusion).name); }
std::string QuestionOf(std::string_view op) { return fmt::format("custom_ops:{}", op); }

bool SameCase(const EvidenceRow& a, const EvidenceRow& b) {
  const auto key = [](const EvidenceRow& row) {
    return std::tie(row.question, row.device, row.device_name, row.arch, row.dtype, row.where,
                    row.tokens);
  };
  return key(a) == key(b);
}

std::vector<std::string> ChangedKernels(const EvidenceRow& row) {
  std::vector<std::string> changed;
  for (const auto& [key, hash] : row.sources) {
    const std::string_view now = SourceHash(key);
    if (!now.empty() && now != hash) changed.push_back(key);
  }
  return changed;
}

std::string Describe(const EvidenceRow& row) {
  std::string found = row.finding;
  if (found.empty()) {
    found = row.margin;
    if (!row.spread.empty()) found += fmt::format(", spread {}", row.spread);
  }
  const bool both = !row.device_name.empty() && !found.empty();
  return fmt::format("{}{}{}", row.device_name, both ? ": " : "", found);
}

EvidenceTable::EvidenceTable(std::vector<EvidenceRow> rows) : rows_(std::move(rows)) {
  std::ranges::stable_sort(rows_, {}, &EvidenceRow::question);
}

std::span<const EvidenceRow> EvidenceTable::For(std::string_view question) const {
  return std::ranges::equal_range(rows_, question, std::less<>{}, [](const EvidenceRow& row) {
    return std::string_view(row.question);
  });
}

Evidence NoEvidence() {
  static const Evidence none = std::make_shared<EvidenceTable>();
  return none;
}

Evidence WithUserRows(std::vector<EvidenceRow> rows) {
  const std::span<const EvidenceRow> builtin = BuiltinEvidence()->rows();
  rows.insert(rows.end(), builtin.begin(), builtin.end());
  return std::make_shared<EvidenceTable>(std::move(rows));
}

}  // namespace rw
