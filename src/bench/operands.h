// Operands of a call in a device's memory, several sets of them, for variants of one graph.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/tensor.h"
#include "bench/matrix.h"
#include "ir/graph.h"
#include "kv/kv_cache.h"
#include "runtime/runner.h"

namespace rw::bench {

// Device memory handed out in turn and taken back all at once.
class Arena {
 public:
  explicit Arena(DeviceMemory memory) : memory_(std::move(memory)) {}
  void Reset() { used_ = 0; }
  int64_t size() const { return memory_.size; }
  // Aligned as the device's own memory. It must be there: ask OperandBytes first.
  DeviceMemory Take(int64_t bytes);
  static int64_t Aligned(int64_t bytes);

 private:
  DeviceMemory memory_;
  int64_t used_ = 0;
};

// What ops::ContentsOf says, its floats made once: a table of angles is millions of sines.
class Numbers {
 public:
  explicit Numbers(const ops::CallShape& shape) : shape_(shape) {}
  const ops::Contents& Of(const std::string& operand, uint64_t seed);

 private:
  ops::CallShape shape_;
  std::map<std::string, ops::Contents> made_;
};

// One set. What a variant only reads stays as it is; a cache is written.
class Operands {
 public:
  // What one set takes: inputs, weights, cache, and an arena for intermediate results.
  static int64_t Bytes(const Graph& call, const Point& point, int64_t arena_bytes);

  // `call` is the graph of ops::CallGraph. The same seed gives the same numbers on every device.
  Operands(ComputeDevice& device, ThreadPool& pool, Arena& arena, const Graph& call,
           const Point& point, Numbers& numbers, int64_t arena_bytes, uint64_t seed);
  Operands(const Operands&) = delete;  // frames point into it

  // A runner of a variant of the call, and its operands.
  Runner MakeRunner(std::shared_ptr<ComputeDevice> device, Executable executable) const;
  Runner::Frame Bind(const Runner& runner) const;

  const KvLayerView& kv() const { return kv_; }
  int64_t kv_bytes() const { return kv_bytes_; }  // of keys; as many of values

 private:
  struct Named {
    std::string name;
    TensorView view;
  };
  const TensorView& Find(std::string_view name) const;

  std::vector<Named> tensors_;
  KvLayerView kv_;
  int64_t kv_bytes_ = 0;
  DeviceMemory arena_;
};

}  // namespace rw::bench
