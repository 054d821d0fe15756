#include "model/model_dir.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace rw {
namespace {

namespace fs = std::filesystem;

bool IsPlainName(const std::string& file) {
  return !file.empty() && file != "." && file != ".." &&
         file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

bool IsWithin(const fs::path& path, const fs::path& dir) {
  const auto [in_dir, in_path] = std::mismatch(dir.begin(), dir.end(), path.begin(), path.end());
  return in_dir == dir.end() && in_path != path.end();
}

}  // namespace

Result<std::string> ResolveModelFile(const std::string& model_dir, const std::string& file) {
  if (!IsPlainName(file)) {
    return Err("{}: expected the plain name of a file in the model folder, found \"{}\"", model_dir,
               file.substr(0, 200));
  }
  std::error_code error;
  const fs::path dir = fs::canonical(model_dir, error);
  if (error) return Err("{}: cannot open the model folder: {}", model_dir, error.message());
  const fs::path shown = fs::path(model_dir) / file;
  const fs::path target = fs::canonical(dir / file, error);
  if (error) return Err("{}: cannot open: {}", shown.string(), error.message());
  if (IsWithin(target, dir)) return target.string();
  if (const fs::path snapshots = dir.parent_path(); snapshots.filename() == "snapshots") {
    if (IsWithin(target, snapshots.parent_path() / "blobs")) return target.string();
  }
  return Err(
      "{}: expected a file within the model folder, found a link that leads outside: copy "
      "the file into the folder",
      shown.string());
}

bool HasModelFile(const std::string& model_dir, const std::string& file) {
  std::error_code error;
  return fs::symlink_status(fs::path(model_dir) / file, error).type() != fs::file_type::not_found &&
         !error;
}

Result<std::vector<std::string>> ListModelDir(const std::string& model_dir) {
  std::error_code error;
  const fs::file_status status = fs::status(model_dir, error);
  if (!fs::exists(status)) {
    return Err("{}: expected a model folder, found nothing of that name", model_dir);
  }
  if (!fs::is_directory(status)) return Err("{}: expected a model folder, found a file", model_dir);
  std::vector<std::string> names;
  for (fs::directory_iterator it(model_dir, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) return Err("{}: cannot read the model folder: {}", model_dir, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace rw
