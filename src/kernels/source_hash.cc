#include "kernels/source_hash.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace rw {

std::string_view SourceHash(const KernelRow& row) {
  // The compiler names the file by the path it was given; the folder of kernels is the last of
  // that name in it.
  constexpr std::string_view kFolder = "kernels/";
  const size_t begin = row.file.rfind(kFolder);
  RW_CHECK(begin != std::string_view::npos, "{} is a kernel outside of {}", row.file, kFolder);
  const auto source =
      std::ranges::find(HashedSources(), row.file.substr(begin), &HashedSource::file);
  RW_CHECK(source != HashedSources().end(), "{} has no hash", row.file);
  return source->hash;
}

std::string KernelKey(const KernelRow& row) { return fmt::format("{}@{}", row.op, row.provider); }

std::string_view SourceHash(std::string_view key) {
  const size_t at = key.find('@');
  if (at == key.npos) return {};
  const auto is_meant = [&](const KernelRow& row) {
    return row.op == key.substr(0, at) && row.provider == key.substr(at + 1);
  };
  for (const KernelRow& row : KernelTable()) {
    if (is_meant(row)) return SourceHash(row);
  }
  for (const KernelRow* row : NativeRows()) {
    if (is_meant(*row)) return SourceHash(*row);
  }
  return {};
}

std::string SourceHashes(std::span<const std::string> keys) {
  std::string text;
  for (const std::string& key : keys) {
    if (&key != &keys.front()) text += '+';
    text += SourceHash(std::string_view(key));
  }
  return text;
}

}  // namespace rw
