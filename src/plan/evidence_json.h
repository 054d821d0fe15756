// Rules files: rows of evidence as JSON.
//
//   {"schema": "ropewalk-rules-1",
//    "rows": [{"question": "custom_ops:rms_norm", "choice": true, "device": "cuda",
//              "device_name": "NVIDIA H200", "arch": "sm_90", "dtype": "bfloat16",
//              "where": {"width": [4096, 4096]}, "tokens": [1, 256],
//              "margin": "+3.4 %", "spread": "0.4 %", "date": "2026-11-24",
//              "command": "...", "commit": "...", "result": "...", "kind": "measured",
//              "sources": {"rms_norm@gpu": "0123456789abcdef"}}]}
//
// Only question, choice, device and what shows it (result; for kind cited: source) must be there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "plan/evidence.h"

namespace rw {

// `name` stands for the text in errors and in EvidenceRow::file.
Result<std::vector<EvidenceRow>> ParseEvidence(std::string_view json, const std::string& name);

// The rows of a file; one larger than 16 MiB is refused.
Result<std::vector<EvidenceRow>> LoadEvidenceFile(const std::string& path);

// Text that ParseEvidence reads back.
std::string EvidenceJson(std::span<const EvidenceRow> rows);

// "bfloat16", "bf16", "fp8" ...: the names that vLLM and we use.
Result<DType> DTypeIn(const Json& json);
std::string_view LongName(DType dtype);  // "bfloat16"
Result<Device> DeviceIn(const Json& json);
Result<KvLayout> KvLayoutIn(const Json& json);
std::string_view Name(KvLayout layout);     // "HND"
std::string ArchOf(std::string_view name);  // "sm_90" as "sm90"

}  // namespace rw
