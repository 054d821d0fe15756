// A model in GGUF files: metadata by key, tensors by name, as views of the mapped files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "model/gguf_header.h"

namespace rw {

// Whether `model` is a file rather than a folder, which means GGUF here: what is wrong with it, the
// parser says.
bool IsGgufFile(const std::string& model);

// Copies share the files.
class GgufModel {
 public:
  // Maps the file; only the header is read. A model cut into several (split.count) is opened by its
  // first file, "NAME-00001-of-0000N.gguf"; the others must lie beside it.
  static Result<GgufModel> Open(const std::string& path);
  // The same of one file over bytes in memory, which must outlive the object.
  static Result<GgufModel> Parse(std::span<const std::byte> bytes, std::string name);

  const std::string& name() const { return files_[0]->name; }

  // Metadata, of the first file.
  std::optional<GgufValue> Find(std::string_view key) const;
  Result<GgufValue> Get(std::string_view key) const;  // absent is an error

  struct File {
    std::string name;
    std::shared_ptr<const MappedFile> mapped;  // null: bytes in memory
    std::span<const std::byte> bytes;
    GgufHeader header;
  };
  const std::vector<std::shared_ptr<const File>>& files() const { return files_; }

  struct Tensor {
    const GgufTensor* info = nullptr;
    const File* file = nullptr;

    std::span<const std::byte> data() const {
      return file->bytes.subspan(info->begin, info->end - info->begin);
    }
  };
  std::optional<Tensor> FindTensor(const std::string& tensor) const;
  size_t tensors() const;
  uint64_t tensor_bytes() const;  // of all tensors

 private:
  Status AddFile(std::shared_ptr<const MappedFile> mapped, std::span<const std::byte> bytes,
                 std::string name);
  Status OpenRest(const std::string& path, int64_t count);

  std::vector<std::shared_ptr<const File>> files_;
};

}  // namespace rw
