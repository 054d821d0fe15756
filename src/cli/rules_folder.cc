#include "cli/rules_folder.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "plan/evidence_json.h"

namespace rw {
namespace {

constexpr size_t kMaxFiles = 256;

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool IsNamed(const std::string& asked) {
  return !asked.empty() || !FromEnvironment("ROPEWALK_RULES").empty();
}

// Paths of the .json files in a folder, by name.
Result<std::vector<std::string>> RulesFiles(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() != ".json") continue;
    if (files.size() >= kMaxFiles) {
      return Err("{}: expected at most {} rules files", folder, kMaxFiles);
    }
    files.push_back(it->path().string());
  }
  if (error) return Err("{}: expected a folder of rules, found: {}", folder, error.message());
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::string RulesFolder(const std::string& asked) {
  if (!asked.empty()) return asked;
  if (std::string folder = FromEnvironment("ROPEWALK_RULES"); !folder.empty()) return folder;
  if (const std::string config = FromEnvironment("XDG_CONFIG_HOME"); !config.empty()) {
    return config + "/ropewalk/rules";
  }
  const std::string home = FromEnvironment("HOME");
  return home.empty() ? "" : home + "/.config/ropewalk/rules";
}

Result<std::vector<EvidenceRow>> LoadUserRows(const std::string& asked) {
  const std::string folder = RulesFolder(asked);
  std::error_code error;
  std::vector<EvidenceRow> rows;
  if (folder.empty() || (!IsNamed(asked) && !std::filesystem::exists(folder, error))) return rows;
  RW_ASSIGN(const std::vector<std::string> files, RulesFiles(folder));
  for (const std::string& file : files) {
    RW_ASSIGN(std::vector<EvidenceRow> more, LoadEvidenceFile(file));
    for (EvidenceRow& row : more) row.users = true;
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

Result<Evidence> LoadEvidence(const std::string& asked) {
  if (asked == "none") return NoEvidence();
  RW_ASSIGN(std::vector<EvidenceRow> rows, LoadUserRows(asked));
  return rows.empty() ? BuiltinEvidence() : WithUserRows(std::move(rows));
}

}  // namespace rw
