// The GPU that is measured: its queue, and memory for operands filled with random numbers.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <initializer_list>
#include <source_location>
#include <vector>

#include "base/tensor.h"
#include "kernels/cuda/native.h"
#include "kernels/gpu/queue.h"

namespace rw::bench {

// Ends the program with the place and the case that is being measured unless all is well.
void CheckCuda(cudaError_t error, std::source_location where = std::source_location::current());
// Names the case for that message.
void SetCurrentCase(std::string_view name);

struct Gpu {
  cudaDeviceProp properties{};
  gpu::Queue queue;
};
// The first device with a queue as the runtime makes one. Nothing is freed before the program ends.
Gpu OpenGpu();
// Its generated code (Queue::native), which is compiled anew by each run.
cuda::NativeCode& GeneratedCode();

// Device memory handed out in turn and taken back all at once. The numbers of a tensor depend on
// the seed and on what was handed out since the seed was set.
class Arena {
 public:
  Arena(int64_t bytes, cudaStream_t stream);

  void Reset() { used_ = 0; }
  void SetSeed(uint64_t seed) { seed_ = seed << 32; }
  uint64_t NextSeed() { return ++seed_; }
  int64_t used() const { return used_; }
  std::byte* begin() const { return memory_; }

  // Uniform in (-1, 1), rounded to the type.
  TensorView Random(DType dtype, std::initializer_list<int64_t> dims);
  // f32[rows, width]: cosines and then sines of the angles of rope at theta 10000.
  TensorView Angles(int64_t rows, int64_t width);
  TensorView Ints(const std::vector<int32_t>& values, std::initializer_list<int64_t> dims);
  // The first `count` numbers of a random permutation of [0, of).
  std::vector<int32_t> Permutation(int64_t count, int64_t of);

 private:
  TensorView Take(DType dtype, std::initializer_list<int64_t> dims);

  std::byte* memory_ = nullptr;
  int64_t bytes_ = 0, used_ = 0;
  uint64_t seed_ = 0;
  cudaStream_t stream_ = nullptr;
};

}  // namespace rw::bench
