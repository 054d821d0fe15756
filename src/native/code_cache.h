// Compiled code of generated sources, kept in files from one run to the next.
//
// A file holds its whole key (source, architecture, compiler, flags) beside the code, so that two
// keys can never be taken for each other, and a checksum. A file that is damaged, cut off or no
// such file is as good as none: one line says so, and it is written again. Files appear whole, so
// that several processes may share a folder.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace rw::native {

class CodeCache {
 public:
  struct Options {
    std::string folder;  // made when it is needed; empty: nothing is kept
    std::function<void(const std::string& line)> notice = {};
  };

  CodeCache() = default;
  explicit CodeCache(Options options) : options_(std::move(options)) {}

  // From any thread.
  std::optional<std::string> Find(std::string_view key);
  // A folder that cannot be written is no error: the next run compiles again.
  void Keep(std::string_view key, std::string_view code);

  // Where the code of a key lies.
  std::string PathOf(std::string_view key) const;

 private:
  void Notice(const std::string& line);

  Options options_;
  std::mutex mutex_;
};

}  // namespace rw::native
