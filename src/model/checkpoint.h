// The weights of a Hugging Face model folder: model.safetensors, or the shards that
// model.safetensors.index.json names.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "model/safetensors.h"

namespace rw {

// A tensor with elements that are NaN or infinite.
struct NonFinite {
  std::string tensor;
  int64_t count = 0;
  int64_t first = 0;  // index of the first one
};

class Checkpoint {
 public:
  // Maps every file and reads the headers; data comes from disk when first touched.
  static Result<Checkpoint> Open(const std::string& model_dir);

  bool Has(std::string_view tensor) const { return Find(tensor) != nullptr; }
  // A read-only view; errors as SafetensorsFile::Find has them.
  Result<TensorView> Get(std::string_view tensor) const;

  const std::vector<std::string>& names() const { return names_; }  // sorted
  uint64_t total_bytes() const { return total_bytes_; }             // of all tensors
  const std::vector<SafetensorsFile>& files() const { return files_; }

  // Brings all data into memory, reporting bytes done out of all (from any thread, one call at a
  // time, done rising). An error if a file became shorter since it was opened or cannot be read.
  using Progress = std::function<void(uint64_t done, uint64_t total)>;
  Status Prefetch(ThreadPool& pool, const Progress& progress = {}) const;

  // Reads all F32, F16 and BF16 data for elements that are no finite number.
  std::vector<NonFinite> FindNonFinite(ThreadPool& pool) const;

 private:
  struct Place {
    size_t file = 0;
    size_t entry = 0;
  };

  Checkpoint() = default;
  static Result<Checkpoint> OpenSingle(const std::string& model_dir);
  static Result<Checkpoint> OpenSharded(const std::string& model_dir);
  Status IndexTensors();
  const Place* Find(std::string_view tensor) const;

  std::vector<SafetensorsFile> files_;
  std::vector<std::string> names_;
  std::vector<Place> places_;  // by the index of names_
  uint64_t total_bytes_ = 0;
};

}  // namespace rw
