#include <vector>

#include "base/check.h"
#include "plan/evidence.h"
#include "plan/evidence_json.h"

namespace rw {
namespace {

struct RulesFile {
  std::string_view name;
  std::string_view json;
};

using std::string_view_literals::operator""sv;  // long texts, their lengths known

// Written by CMake from the files of these names.
constexpr RulesFile kFiles[] = {
#include "builtin_rules.inc"
};

}  // namespace

Evidence BuiltinEvidence() {
  static const Evidence evidence = [] {
    std::vector<EvidenceRow> rows;
    for (const RulesFile& file : kFiles) {
      auto parsed = ParseEvidence(file.json, std::string(file.name));
      RW_CHECK(parsed.has_value(), "{}", parsed.error().message);
      rows.insert(rows.end(), parsed->begin(), parsed->end());
    }
    return std::make_shared<const EvidenceTable>(std::move(rows));
  }();
  return evidence;
}

}  // namespace rw
