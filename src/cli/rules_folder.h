// A user's own rules: files of measured defaults that outrank those built in.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "plan/evidence.h"

namespace rw {

// Where they lie: `asked` if it is not empty, else $ROPEWALK_RULES, else
// $XDG_CONFIG_HOME/ropewalk/rules, else ~/.config/ropewalk/rules; empty if there is no home.
std::string RulesFolder(const std::string& asked);

// The rows of all its .json files, by name. A folder that nobody named may be missing.
Result<std::vector<EvidenceRow>> LoadUserRows(const std::string& asked);

// What --rules says: the rows built in and the user's; for "none" no rows at all.
Result<Evidence> LoadEvidence(const std::string& asked);

}  // namespace rw
