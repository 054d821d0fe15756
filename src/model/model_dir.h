// Files of a model folder, which comes from outside: a name in it must not lead elsewhere.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace rw {

// The path to open for a file of the folder, links resolved. An error unless `file` is a plain file
// name (no folder in it) of something that exists and, after links, lies within the folder or,
// for a snapshot in Hugging Face's cache (models--<org>--<name>/snapshots/<revision>/), within that
// repository's blobs/, which is where its links lead.
Result<std::string> ResolveModelFile(const std::string& model_dir, const std::string& file);

// Whether the folder has an entry of that name, be it usable or not.
bool HasModelFile(const std::string& model_dir, const std::string& file);

// The names in the folder, sorted. An error if it is no folder or cannot be read.
Result<std::vector<std::string>> ListModelDir(const std::string& model_dir);

}  // namespace rw
