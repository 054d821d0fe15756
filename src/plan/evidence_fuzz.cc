// A rules file made of the input: refused, or rows that read back as they were.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "plan/evidence_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto rows = rw::ParseEvidence(text, "rules.json");
  if (!rows) {
    RW_CHECK(!rows.error().message.empty());
    return 0;
  }
  const auto again = rw::ParseEvidence(rw::EvidenceJson(*rows), "rules.json");
  RW_CHECK(again.has_value(), "{}", again.error().message);
  RW_CHECK(*again == *rows);
  for (const rw::EvidenceRow& row : *rows) {
    RW_CHECK(row.tokens.least >= 1 && row.tokens.least <= row.tokens.most);
    rw::Describe(row);
    rw::ChangedKernels(row);
  }
  return 0;
}
