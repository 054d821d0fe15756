// Writes safetensors files: for tests, tools and models with made-up weights.
#pragma once

#include <span>
#include <string>

#include "base/status.h"
#include "base/tensor.h"

namespace rw {

struct NamedTensor {
  std::string name;
  TensorView view;
};

// Writes the tensors to `path`, replacing it in one step: a reader sees the old file or the whole
// new one. Data is ordered so that every tensor lies at a multiple of its element size.
Status WriteSafetensors(const std::string& path, std::span<const NamedTensor> tensors);

}  // namespace rw
