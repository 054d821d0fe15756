#include "runtime/gpu/gpu_device.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/native.h"
#include "kernels/gpu/attention.h"
#include "kernels/gpu/fill.h"
#include "kernels/gpu/queue.h"

namespace rw {
namespace {

constexpr int64_t kStageBytes = 16 << 20;     // of one pinned buffer that uploads go through
constexpr int64_t kScratchBytes = 256 << 20;  // at least; also the matrix library's workspace

class GpuRecording final : public Recording {
 public:
  explicit GpuRecording(gpuGraphExec_t graph) : graph_(graph) {}
  ~GpuRecording() override { gpuGraphExecDestroy(graph_); }
  gpuGraphExec_t graph() const { return graph_; }

 private:
  gpuGraphExec_t graph_;
};

// One of two pinned buffers: while the device reads one, the host fills the other.
struct Stage {
  DeviceMemory memory;
  gpuEvent_t done = nullptr;
};

class Gpu final : public ComputeDevice {
 public:
  Gpu() = default;
  Gpu(const Gpu&) = delete;
  ~Gpu() override {
    if (queue_.stream != nullptr) gpuStreamSynchronize(queue_.stream);
    for (Stage& stage : stages_) {
      if (stage.done != nullptr) gpuEventDestroy(stage.done);
    }
    cuda::DestroyBlas(queue_.blas);
    if (queue_.stream != nullptr) gpuStreamDestroy(queue_.stream);
  }

  Status Open(const DeviceOptions& options) {
    int count = 0;
    if (const gpuError_t error = gpuGetDeviceCount(&count); error != gpuSuccess || count == 0) {
      return Err("{}: expected an NVIDIA GPU with a driver for CUDA {}.{}, found none: {}",
                 Name(kind()), CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10,
                 error == gpuSuccess ? "no device" : gpuGetErrorString(error));
    }
    gpuDeviceProp properties;
    RW_TRY(Try(gpuSetDevice(0), "cannot use GPU 0"));
    RW_TRY(Try(gpuGetDeviceProperties(&properties, 0), "cannot ask GPU 0 what it is"));
    name_ = properties.name;
    arch_ = fmt::format("sm{}{}", properties.major, properties.minor);
    if (const gpuError_t error = gpu::ProbeCode(); error != gpuSuccess) {
      return Err(
          "{} ({}): this build has no code for it ({}); build with "
          "-DCMAKE_CUDA_ARCHITECTURES={}{}",
          name_, arch_, gpuGetErrorString(error), properties.major, properties.minor);
    }
    RW_TRY(Try(gpuStreamCreateWithFlags(&queue_.stream, gpuStreamNonBlocking), "no stream"));
    queue_.multiprocessors = properties.multiProcessorCount;
    queue_.l2_bytes = properties.l2CacheSize;
    queue_.overlap = properties.major >= 9;
    queue_.cluster_blocks = properties.major >= 9 ? 8 : 1;
    RW_TRY(ReserveScratch(kScratchBytes));
    RW_ASSIGN(counters_, Reserve(gpu::Queue::kCounters * 4, "the kernels' counters"));
    queue_.counters = reinterpret_cast<uint32_t*>(counters_.data);
    for (Stage& stage : stages_) {
      RW_ASSIGN(stage.memory, ReserveHost(kStageBytes));
      RW_TRY(Try(gpuEventCreateWithFlags(&stage.done, gpuEventDisableTiming), "no event"));
    }
    RW_ASSIGN(queue_.blas, cuda::CreateBlas());
    native_ = std::make_unique<cuda::NativeCode>(
        fmt::format("sm_{}{}", properties.major, properties.minor), options.code);
    queue_.native = native_.get();
    return Finish();
  }

  Device kind() const override { return gpu::kDevice; }
  std::string name() const override { return name_; }
  std::string arch() const override { return arch_; }

  int64_t AvailableBytes() const override {
    size_t free = 0;
    size_t total = 0;
    if (gpuMemGetInfo(&free, &total) != gpuSuccess) return 0;
    return static_cast<int64_t>(free);
  }

  int64_t CacheBytes() const override { return queue_.l2_bytes; }

  Result<DeviceMemory> Reserve(int64_t bytes, std::string_view purpose) override {
    if (bytes == 0) return DeviceMemory{};
    void* data = nullptr;
    if (const gpuError_t error = gpuMalloc(&data, static_cast<size_t>(bytes));
        error != gpuSuccess) {
      gpuGetLastError();  // it is told here and is not the next call's
      return Err("{}: {} MB for {} cannot be had ({}); {} MB of its memory are free", name_,
                 bytes >> 20, purpose, gpuGetErrorString(error), AvailableBytes() >> 20);
    }
    DeviceMemory memory{static_cast<std::byte*>(data), bytes, {data, [](void* p) { gpuFree(p); }}};
    Note(gpuMemsetAsync(data, 0, static_cast<size_t>(bytes), queue_.stream));
    return memory;
  }

  Result<DeviceMemory> ReserveHost(int64_t bytes) override {
    if (bytes == 0) return DeviceMemory{};
    void* data = nullptr;
    RW_TRY(Try(gpuMallocHost(&data, static_cast<size_t>(bytes)),
               "no page-locked memory of the host can be had"));
    std::memset(data, 0, static_cast<size_t>(bytes));
    return DeviceMemory{
        static_cast<std::byte*>(data), bytes, {data, [](void* p) { gpuFreeHost(p); }}};
  }

  void Upload(std::byte* to, const std::byte* from, int64_t bytes, ThreadPool& pool) override {
    for (int64_t at = 0; at < bytes; at += kStageBytes) {
      const int64_t count = std::min(kStageBytes, bytes - at);
      Stage& stage = stages_[next_stage_++ % stages_.size()];
      Note(gpuEventSynchronize(stage.done));
      // Pages of a mapped file are read here, by all threads.
      pool.ParallelFor(count, 1 << 20, [&](int64_t begin, int64_t end) {
        std::memcpy(stage.memory.data + begin, from + at + begin, static_cast<size_t>(end - begin));
      });
      Note(gpuMemcpyAsync(to + at, stage.memory.data, static_cast<size_t>(count),
                          gpuMemcpyHostToDevice, queue_.stream));
      Note(gpuEventRecord(stage.done, queue_.stream));
    }
  }

  void QueueUpload(std::byte* to, const std::byte* from, const Rows& rows) override {
    if (rows.rows == 0 || rows.bytes == 0) return;
    Note(gpuMemcpy2DAsync(to, static_cast<size_t>(rows.to_stride), from,
                          static_cast<size_t>(rows.from_stride), static_cast<size_t>(rows.bytes),
                          static_cast<size_t>(rows.rows), gpuMemcpyHostToDevice, queue_.stream));
  }
  void QueueDownload(std::byte* to, const std::byte* from, int64_t bytes) override {
    if (bytes == 0) return;
    Note(
        gpuMemcpyAsync(to, from, static_cast<size_t>(bytes), gpuMemcpyDeviceToHost, queue_.stream));
  }
  void QueueCopy(std::byte* to, const std::byte* from, int64_t bytes, ThreadPool&) override {
    Note(gpuMemcpyAsync(to, from, static_cast<size_t>(bytes), gpuMemcpyDeviceToDevice,
                        queue_.stream));
  }
  void QueueRandom(const TensorView& to, uint64_t seed) override {
    RW_CHECK(to.contiguous());
    gpu::RandomFill(queue_.stream, to, seed);
  }

  Status Prepare(const StepNeeds& needs) override {
    if (needs.max_sequences * needs.heads > gpu::Queue::kCounters) {
      return Err(
          "{}: expected at most {} sequences in a step, of a model with {} query heads; "
          "found {}",
          name_, gpu::Queue::kCounters / needs.heads, needs.heads, needs.max_sequences);
    }
    return ReserveScratch(gpu::AttentionScratchBytes(needs.max_sequences, needs.heads,
                                                     needs.head_dim, needs.max_length));
  }

  Status Build(std::span<const native::Program* const> programs) override {
    return native_->Build(programs);
  }

  Status Finish() override {
    Note(gpuGetLastError());
    Note(gpuStreamSynchronize(queue_.stream));
    if (error_ == gpuSuccess) return {};
    return Err("{}: {}; the device can do nothing more in this process", name_,
               gpuGetErrorString(error_));
  }

  const gpu::Queue* queue() const override { return &queue_; }
  void SetBounds(const StepBounds& bounds) override { queue_.bounds = bounds; }

  bool Records() const override { return true; }
  Result<std::unique_ptr<Recording>> Record(const std::function<void()>& work) override {
    RW_TRY(Try(gpuStreamBeginCapture(queue_.stream, gpuStreamCaptureModeThreadLocal),
               "cannot capture a graph"));
    work();
    gpuGraph_t graph = nullptr;
    RW_TRY(Try(gpuStreamEndCapture(queue_.stream, &graph), "a step could not be captured"));
    gpuGraphExec_t ready = nullptr;
    const gpuError_t error = Instantiate(graph, &ready);
    gpuGraphDestroy(graph);
    RW_TRY(Try(error, "a captured graph could not be made ready"));
    return std::make_unique<GpuRecording>(ready);
  }
  void QueuePlay(const Recording& recording) override {
    Note(gpuGraphLaunch(static_cast<const GpuRecording&>(recording).graph(), queue_.stream));
  }

  Result<std::vector<double>> Time(int lots, const std::function<void(int)>& queue) override {
    RW_TRY(Finish());
    std::vector<gpuEvent_t> marks(static_cast<size_t>(lots) + 1);
    for (gpuEvent_t& mark : marks) Note(gpuEventCreate(&mark));
    for (int lot = 0; lot <= lots; ++lot) {
      Note(gpuEventRecord(marks[static_cast<size_t>(lot)], queue_.stream));
      if (lot < lots) queue(lot);
    }
    const Status done = Finish();
    std::vector<double> seconds;
    for (size_t lot = 0; done && lot + 1 < marks.size(); ++lot) {
      float milliseconds = 0;
      Note(gpuEventElapsedTime(&milliseconds, marks[lot], marks[lot + 1]));
      seconds.push_back(1e-3 * milliseconds);
    }
    for (const gpuEvent_t mark : marks) gpuEventDestroy(mark);
    RW_TRY(done);
    return seconds;
  }

 private:
  static gpuError_t Instantiate(gpuGraph_t graph, gpuGraphExec_t* ready) {
#if defined(__HIP_PLATFORM_AMD__)
    return hipGraphInstantiate(ready, graph, nullptr, nullptr, 0);
#else
    return cudaGraphInstantiate(ready, graph, 0);
#endif
  }

  Status Try(gpuError_t error, std::string_view what) const {
    if (error == gpuSuccess) return {};
    gpuGetLastError();
    return Err("{}: {}: {}", name_.empty() ? Name(kind()) : std::string_view(name_), what,
               gpuGetErrorString(error));
  }
  // What was there stays, as recordings may point to it.
  Status ReserveScratch(int64_t bytes) {
    if (bytes <= queue_.scratch_bytes) return {};
    RW_ASSIGN(DeviceMemory memory, Reserve(bytes, "the kernels' scratch"));
    queue_.scratch = memory.data;
    queue_.scratch_bytes = memory.size;
    scratch_.push_back(std::move(memory));
    return {};
  }
  // Keeps the first error for Finish.
  void Note(gpuError_t error) {
    if (error_ == gpuSuccess) error_ = error;
  }

  std::string name_;
  std::string arch_;
  gpu::Queue queue_;
  std::unique_ptr<cuda::NativeCode> native_;
  std::vector<DeviceMemory> scratch_;
  DeviceMemory counters_;
  std::array<Stage, 2> stages_;
  size_t next_stage_ = 0;
  gpuError_t error_ = gpuSuccess;
};

}  // namespace

Result<std::shared_ptr<ComputeDevice>> OpenGpu(const DeviceOptions& options) {
  auto device = std::make_shared<Gpu>();
  RW_TRY(device->Open(options));
  return device;
}

}  // namespace rw
