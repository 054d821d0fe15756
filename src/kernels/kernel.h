// What a kernel is: a row in a table. Kernels know views and numbers, no graph and no plan.
//
// A row says which op it computes, on which device, for which element types, and how. Choosing a
// kernel is a filter over the rows in the caller's order of providers; there is no switch anywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/attrs.h"
#include "base/dtype.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "kv/kv_cache.h"
#include "native/program.h"

namespace rw {

namespace gpu {
struct Queue;  // kernels/gpu/queue.h
}

enum class Device : uint8_t { kCpu, kCuda, kRocm };
std::string_view Name(Device device);

// What the host knows of a step whose operands lie on a GPU. A kernel sizes its grid by these
// bounds and reads the true numbers on the device, so that a captured graph serves every step
// within them.
struct StepBounds {
  int64_t max_query = 0;   // most new tokens of one sequence
  int64_t max_length = 0;  // most cached positions of one sequence, the new ones included
  bool decodes() const { return max_query == 1; }
};

// One call of a kernel. Operands and results stand in the order of the op's signature
// (src/ops); a kv operand or result stands in no list but in `kv`.
struct KernelCall {
  std::span<const TensorView> in;
  std::span<const TensorView> out;
  const KvLayerView* kv = nullptr;  // the layer's cache, where the op reads or writes it
  const Attrs& attrs;
  ThreadPool& pool;
  const gpu::Queue* gpu = nullptr;  // the stream of a GPU kernel, whose operands lie in its memory
  const native::Program* program = nullptr;  // of a row of NativeRow
};

// Element types of operands and results in signature order, kv excluded.
struct KernelTypes {
  std::span<const DType> in;
  std::span<const DType> out;
  DType kv = DType::kF32;  // of the cache, where the op has one
};

struct KernelRow {
  std::string_view op;  // the op's name
  Device device;
  // "reference": scalar, states the meaning; "simd": Highway; "gpu": ours, for CUDA and HIP;
  // "cublaslt"; "nvrtc": compiled from generated source
  std::string_view provider;
  bool (*accepts)(const KernelTypes& types, const Attrs& attrs);
  void (*run)(const KernelCall& call);
  // Rows of x in a call, at most; 0: any number. A plan uses the row in steps up to there.
  int64_t most_tokens = 0;
  std::string_view file = __builtin_FILE();  // that declares the row (source_hash.h)
};

// All rows of this build. Those of one device stand in the order of preference.
std::span<const KernelRow> KernelTable();

// The rows that run programs: operands are Program::in, results Program::out. They stand in a table
// of their own, since they compute no op of a name. Those of one device stand in the order of
// preference.
std::span<const KernelRow* const> NativeRows();

// The one of a device, by `providers` as below, or the first if none of them has one. nullptr: this
// build has no native code for the device.
const KernelRow* NativeRow(Device device, std::span<const std::string_view> providers);

// The first row for `op` on `device` that accepts the types, trying `providers` in order, or all in
// the order of the table if none are named; nullptr if there is none.
const KernelRow* FindKernel(std::string_view op, Device device, const KernelTypes& types,
                            const Attrs& attrs, std::span<const std::string_view> providers);

}  // namespace rw
