// A safetensors file: its tensors by name, as views into the mapped file.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/tensor.h"
#include "model/safetensors_header.h"

namespace rw {

class SafetensorsFile {
 public:
  // Maps the file; only the header is read. `shown` stands for the file in messages where the path
  // itself should not (a link's target).
  static Result<SafetensorsFile> Open(const std::string& path, std::string shown = {});
  // The same over bytes in memory, which must outlive the object.
  static Result<SafetensorsFile> Parse(std::span<const std::byte> bytes, std::string name);

  const std::string& name() const { return name_; }
  // Every tensor in the order of the header, also those that cannot be used.
  const std::vector<SafetensorsEntry>& entries() const { return header_.entries; }
  const SafetensorsEntry* FindEntry(std::string_view tensor) const {  // nullptr if absent
    return header_.Find(tensor);
  }
  std::span<const std::byte> DataOf(const SafetensorsEntry& entry) const;

  // The whole file.
  std::span<const std::byte> bytes() const { return bytes_; }

  // A view of the data; reading it is what brings pages in. It must not be written: the mapping is
  // read-only. An error if there is no such tensor, or one that this build cannot use: another
  // dtype than F32, F16, BF16 or I32, more than kMaxRank dims, or no elements. Data that does not
  // lie at a multiple of its element size (old writers did not pad) is copied on first use. May be
  // called from several threads.
  Result<TensorView> Find(std::string_view tensor) const;
  Result<TensorView> View(const SafetensorsEntry& entry) const;

 private:
  struct Copies;
  struct FreeCopies {
    void operator()(Copies* copies) const;
  };

  SafetensorsFile() = default;

  std::shared_ptr<const MappedFile> file_;
  std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
  std::string name_;
  SafetensorsHeader header_;
  std::unique_ptr<Copies, FreeCopies> copies_;
};

}  // namespace rw
