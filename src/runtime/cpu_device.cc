#include <chrono>
#include <cstring>
#include <fstream>

#include "base/check.h"
#include "base/lazy_memory.h"
#include "base/random_fill.h"
#include "runtime/device.h"

namespace rw {
namespace {

class Cpu final : public ComputeDevice {
 public:
  Device kind() const override { return Device::kCpu; }
  std::string name() const override { return "CPU"; }
  std::string arch() const override { return ""; }

  // As the kernel estimates it; 0 if it does not say.
  int64_t AvailableBytes() const override {
    std::ifstream file("/proc/meminfo");
    std::string key;
    int64_t kilobytes = 0;
    std::string unit;
    while (file >> key >> kilobytes >> unit) {
      if (key == "MemAvailable:") return kilobytes * 1024;
    }
    return 0;
  }

  // The level-3 cache that core 0 shares.
  int64_t CacheBytes() const override {
    std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");  // "32768K"
    int64_t kilobytes = 0;
    return file >> kilobytes ? kilobytes * 1024 : 0;
  }

  Result<DeviceMemory> Reserve(int64_t bytes, std::string_view purpose) override {
    RW_ASSIGN(LazyMemory memory, LazyMemory::Reserve(bytes, purpose));
    auto owner = std::make_shared<LazyMemory>(std::move(memory));
    return DeviceMemory{owner->data(), bytes, owner};
  }
  Result<DeviceMemory> ReserveHost(int64_t bytes) override {
    return Reserve(bytes, "the inputs of a step");
  }

  void Upload(std::byte* to, const std::byte* from, int64_t bytes, ThreadPool&) override {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  }
  void QueueUpload(std::byte* to, const std::byte* from, const Rows& rows) override {
    for (int64_t row = 0; row < rows.rows; ++row) {
      std::memcpy(to + row * rows.to_stride, from + row * rows.from_stride,
                  static_cast<size_t>(rows.bytes));
    }
  }
  void QueueDownload(std::byte* to, const std::byte* from, int64_t bytes) override {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  }
  void QueueCopy(std::byte* to, const std::byte* from, int64_t bytes, ThreadPool& pool) override {
    pool.ParallelFor(bytes, 1 << 20, [&](int64_t begin, int64_t end) {
      std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
    });
  }
  void QueueRandom(const TensorView& to, uint64_t seed) override {
    RW_CHECK(to.contiguous());
    RandomFill(to.dtype, to.data, to.size(), seed);
  }

  Status Prepare(const StepNeeds&) override { return {}; }
  Status Build(std::span<const native::Program* const>) override { return {}; }
  Status Finish() override { return {}; }
  const gpu::Queue* queue() const override { return nullptr; }
  void SetBounds(const StepBounds&) override {}

  bool Records() const override { return false; }
  Result<std::unique_ptr<Recording>> Record(const std::function<void()>&) override {
    return Err("a CPU records no work");
  }
  void QueuePlay(const Recording&) override { RW_CHECK(false, "a CPU records no work"); }

  Result<std::vector<double>> Time(int lots, const std::function<void(int)>& queue) override {
    using Clock = std::chrono::steady_clock;
    std::vector<double> seconds;
    for (int lot = 0; lot < lots; ++lot) {
      const auto start = Clock::now();
      queue(lot);
      seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    return seconds;
  }
};

}  // namespace

std::shared_ptr<ComputeDevice> CpuDevice() {
  static const std::shared_ptr<ComputeDevice> device = std::make_shared<Cpu>();
  return device;
}

}  // namespace rw
