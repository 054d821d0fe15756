// A device that executables run on: its memory, its queue of work, recordings of that work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/thread_pool.h"
#include "kernels/kernel.h"
#include "native/code_cache.h"

namespace rw {

// Memory of a device, or of the host beside it; freed with its last copy.
struct DeviceMemory {
  std::byte* data = nullptr;
  int64_t size = 0;  // bytes
  std::shared_ptr<void> owner;
};

// Work that was queued once and can be queued again as a whole.
class Recording {
 public:
  virtual ~Recording() = default;
};

// Work is done in the order in which it was queued. What goes wrong on a device shows later, in
// Finish; from then on the device does nothing any more.
class ComputeDevice {
 public:
  virtual ~ComputeDevice() = default;

  virtual Device kind() const = 0;
  virtual std::string name() const = 0;  // "NVIDIA H200"
  virtual std::string arch() const = 0;  // "sm90"; empty: that of the machine
  virtual int64_t AvailableBytes() const = 0;
  virtual int64_t CacheBytes() const = 0;  // of the last cache before its memory; 0: not known

  // Zero-filled. `purpose` ends the error's sentence: "the KV cache; lower --kv-tokens".
  virtual Result<DeviceMemory> Reserve(int64_t bytes, std::string_view purpose) = 0;
  // Memory of the host that the device copies from and to by itself.
  virtual Result<DeviceMemory> ReserveHost(int64_t bytes) = 0;

  // Copies from the host's memory. `from` may change as soon as this returns.
  virtual void Upload(std::byte* to, const std::byte* from, int64_t bytes, ThreadPool& pool) = 0;
  // Queues a copy of `rows` rows of `bytes`, `to_stride` and `from_stride` bytes apart. The host's
  // side is memory of ReserveHost and stays as it is until Finish.
  struct Rows {
    int64_t rows, bytes, to_stride, from_stride;
  };
  virtual void QueueUpload(std::byte* to, const std::byte* from, const Rows& rows) = 0;
  virtual void QueueDownload(std::byte* to, const std::byte* from, int64_t bytes) = 0;
  // Queues a copy within the device's memory; the CPU's by all threads of the pool.
  virtual void QueueCopy(std::byte* to, const std::byte* from, int64_t bytes, ThreadPool& pool) = 0;
  // Queues writing random numbers as DummyWeights describes them.
  virtual void QueueRandom(const TensorView& to, uint64_t seed) = 0;

  // Makes room for what kernels need beside their operands in steps of a model: at most so many
  // sequences with so many query heads, each of up to max_length positions.
  struct StepNeeds {
    int64_t max_sequences, heads, head_dim, max_length;
  };
  virtual Status Prepare(const StepNeeds& needs) = 0;

  // Makes the code of programs, which steps may run from then on; equal programs share it. An error
  // names what is missing.
  virtual Status Build(std::span<const native::Program* const> programs) = 0;

  // Waits until all that was queued is done. The first error since the device was opened.
  virtual Status Finish() = 0;

  // The queue that kernels take in KernelCall::gpu; nullptr for the CPU.
  virtual const gpu::Queue* queue() const = 0;
  // For the kernels that are called from now on.
  virtual void SetBounds(const StepBounds& bounds) = 0;

  virtual bool Records() const = 0;  // whether Record can do more than fail
  // Keeps what `work` queues instead of doing it.
  virtual Result<std::unique_ptr<Recording>> Record(const std::function<void()>& work) = 0;
  virtual void QueuePlay(const Recording& recording) = 0;

  // Seconds that each of `lots` lots of work takes the device. `queue` queues the lot of that
  // number; on a GPU the host queues ahead, so from the second on a lot's time has no gap in it.
  virtual Result<std::vector<double>> Time(int lots, const std::function<void(int lot)>& queue) = 0;
};

// The machine's own processor and memory: what is queued is done at once.
std::shared_ptr<ComputeDevice> CpuDevice();

struct DeviceOptions {
  native::CodeCache::Options code;  // where compiled code of programs is kept
};

// The machine's GPU of that kind. An error in one line where this build or this machine has none,
// the driver is missing or too old, or the build has no code for its architecture.
Result<std::shared_ptr<ComputeDevice>> OpenDevice(Device kind, const DeviceOptions& options = {});

// Whether this build has kernels for devices of that kind.
bool BuiltFor(Device kind);

}  // namespace rw
