// What the tests of the GPU kernels share. Operands live in the host's memory as in
// kernels/cpu/testing.h, so that a test reads as on the CPU: RunGpu mirrors them to the device,
// runs the kernel there and brings back what it wrote.
#pragma once

#include "kernels/cpu/testing.h"
// testing.h comes first: it sets the targets of Highway.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/native.h"
#include "kernels/gpu/gpu.h"
#include "kernels/gpu/portable.h"
#include "kernels/gpu/queue.h"

namespace rw::testing {

inline void ExpectSuccess(gpuError_t error) {
  EXPECT_EQ(error, gpuSuccess) << gpuGetErrorString(error);
}

inline bool HasGpu() {
  static const bool has = [] {
    int count = 0;
    return gpuGetDeviceCount(&count) == gpuSuccess && count > 0;
  }();
  return has;
}

// The base of every suite of GPU tests.
class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasGpu()) GTEST_SKIP() << "no GPU";
  }
};

// Generated code of all tests.
inline cuda::NativeCode& DeviceCode() {
  static cuda::NativeCode* const code = [] {
    gpuDeviceProp properties;
    ExpectSuccess(gpuGetDeviceProperties(&properties, 0));
    return new cuda::NativeCode(fmt::format("sm_{}{}", properties.major, properties.minor), {});
  }();
  return *code;
}

// The queue of all tests. It lives until the process ends.
inline const gpu::Queue& DeviceQueue() {
  static const gpu::Queue queue = [] {
    gpu::Queue made;
    gpuDeviceProp properties;
    ExpectSuccess(gpuGetDeviceProperties(&properties, 0));
    ExpectSuccess(gpuStreamCreateWithFlags(&made.stream, gpuStreamNonBlocking));
    made.overlap = properties.major >= 9;
    made.cluster_blocks = properties.major >= 9 ? 8 : 1;
    made.multiprocessors = properties.multiProcessorCount;
    made.l2_bytes = properties.l2CacheSize;
    const auto allocate = [&](int64_t bytes, int value) {
      void* data = nullptr;
      ExpectSuccess(gpuMalloc(&data, static_cast<size_t>(bytes)));
      ExpectSuccess(gpuMemsetAsync(data, value, static_cast<size_t>(bytes), made.stream));
      return static_cast<std::byte*>(data);
    };
    made.scratch_bytes = 256 << 20;
    made.scratch = allocate(made.scratch_bytes, 0xff);  // it may hold anything
    constexpr auto kCounter = static_cast<int64_t>(sizeof(uint32_t));
    made.counters = reinterpret_cast<uint32_t*>(allocate(gpu::Queue::kCounters * kCounter, 0));
    const auto blas = cuda::CreateBlas();
    EXPECT_TRUE(blas.has_value());
    if (blas) made.blas = *blas;
    made.native = &DeviceCode();
    return made;
  }();
  return queue;
}

inline void CopyToDevice(std::byte* to, std::span<const std::byte> from) {
  const auto stream = DeviceQueue().stream;
  ExpectSuccess(gpuMemcpyAsync(to, from.data(), from.size(), gpuMemcpyHostToDevice, stream));
  ExpectSuccess(gpuStreamSynchronize(stream));
}
inline void CopyToHost(std::span<std::byte> to, const void* from) {
  const auto stream = DeviceQueue().stream;
  ExpectSuccess(gpuMemcpyAsync(to.data(), from, to.size(), gpuMemcpyDeviceToHost, stream));
  ExpectSuccess(gpuStreamSynchronize(stream));
}

// Blocks that count each other leave their counters as they found them.
inline void ExpectCountersAtRest() {
  std::vector<uint32_t> counters(gpu::Queue::kCounters, 1);
  CopyToHost(std::as_writable_bytes(std::span(counters)), DeviceQueue().counters);
  const bool at_rest = std::ranges::all_of(counters, [](uint32_t c) { return c == 0; });
  EXPECT_TRUE(at_rest) << "a kernel left its counters";
  if (at_rest) return;  // else not every test that follows should fail
  std::ranges::fill(counters, 0);
  CopyToDevice(reinterpret_cast<std::byte*>(DeviceQueue().counters),
               std::as_bytes(std::span(counters)));
}

// Host memory and its copy on the device. What a kernel may write stands between guards of 0xff
// bytes, which have to live. What it only reads has to come back unchanged and ends where its
// allocation does, so that a memory checker sees a read past the end. Addresses are the same modulo
// 16 as on the host: what is aligned here is aligned there, and only that.
class Mirror {
 public:
  Mirror() = default;
  Mirror(const Mirror&) = delete;
  ~Mirror() {
    for (const Range& range : ranges_) gpuFree(range.device);
  }

  void Cover(const void* data, int64_t bytes, bool written) {
    auto* begin = static_cast<std::byte*>(const_cast<void*>(data));
    if (bytes > 0) ranges_.push_back({begin, begin + bytes, written});
  }
  void Cover(const TensorView& x, bool written) {
    const int64_t elements = x.rows() == 0 ? 0 : (x.rows() - 1) * x.row_stride + x.width();
    Cover(x.data, elements * static_cast<int64_t>(SizeOf(x.dtype)), written);
  }
  void Cover(const KvLayerView& kv, bool written) {
    const int64_t bytes = kv.pages * kv.page_stride * static_cast<int64_t>(SizeOf(kv.dtype));
    Cover(kv.k, bytes, written);
    Cover(kv.v, bytes, written);
    const int64_t scales = kv.heads * static_cast<int64_t>(sizeof(float));
    if (kv.k_scale != nullptr) Cover(kv.k_scale, scales, false);
    if (kv.v_scale != nullptr) Cover(kv.v_scale, scales, false);
  }

  // After the last Cover: ranges that overlap become one.
  void Allocate() {
    std::ranges::sort(ranges_, {}, &Range::begin);
    std::vector<Range> merged;
    for (const Range& range : ranges_) {
      if (merged.empty() || range.begin >= merged.back().end) {
        merged.push_back(range);
      } else {
        merged.back().end = std::max(merged.back().end, range.end);
        merged.back().written |= range.written;
      }
    }
    ranges_ = std::move(merged);
    for (Range& range : ranges_) {
      void* data = nullptr;
      ExpectSuccess(gpuMalloc(&data, range.allocated()));
      range.device = static_cast<std::byte*>(data);
    }
  }
  void Upload() const {
    for (const Range& range : ranges_) {
      std::vector<std::byte> bytes(range.allocated(), std::byte{0xff});
      std::copy(range.begin, range.end, bytes.begin() + range.lead());
      CopyToDevice(range.device, bytes);
    }
  }
  void Download() const {
    for (const Range& range : ranges_) {
      std::vector<std::byte> bytes(range.allocated());
      CopyToHost(bytes, range.device);
      const auto begin = bytes.begin() + range.lead();
      const auto end = begin + (range.end - range.begin);
      const auto poison = [](std::byte b) { return b == std::byte{0xff}; };
      EXPECT_TRUE(std::all_of(bytes.begin(), begin, poison)) << "written before an operand";
      EXPECT_TRUE(std::all_of(end, bytes.end(), poison)) << "written behind an operand";
      if (range.written) {
        std::copy(begin, end, range.begin);
      } else {
        EXPECT_TRUE(std::equal(begin, end, range.begin)) << "an operand was written";
      }
    }
  }

  // Where the host's address is on the device; null if it is not covered.
  template <class T>
  T* operator()(T* host) const {
    const auto* address = reinterpret_cast<const std::byte*>(host);
    for (const Range& range : ranges_) {
      if (address < range.begin || address >= range.end) continue;
      return reinterpret_cast<T*>(range.device + range.lead() + (address - range.begin));
    }
    return nullptr;
  }
  TensorView operator()(TensorView x) const {
    x.data = (*this)(x.data);
    return x;
  }
  KvLayerView operator()(KvLayerView kv) const {
    kv.k = (*this)(kv.k);
    kv.v = (*this)(kv.v);
    kv.k_scale = (*this)(kv.k_scale);
    kv.v_scale = (*this)(kv.v_scale);
    return kv;
  }

 private:
  struct Range {
    std::byte* begin;
    std::byte* end;
    bool written;
    std::byte* device = nullptr;

    static constexpr int64_t kGuard = 1024;
    int64_t lead() const {
      return static_cast<int64_t>(reinterpret_cast<uintptr_t>(begin) % 16) + (written ? kGuard : 0);
    }
    size_t allocated() const {
      return static_cast<size_t>(lead() + (end - begin) + (written ? kGuard : 0));
    }
  };
  std::vector<Range> ranges_;
};

// A call of a kernel, its operands in the host's memory.
struct GpuCall {
  std::string op;
  std::string_view provider;
  std::vector<TensorView> in, out;
  Attrs attrs;
  const KvLayerView* kv = nullptr;
  StepBounds bounds;
  int multiprocessors = 0;                   // that the kernel is told of; 0: the device's
  int cluster_blocks = 0;                    // likewise
  const native::Program* program = nullptr;  // built: runs instead of a kernel for `op`

  const KernelRow* Row() const {
    if (program != nullptr) return NativeRow(gpu::kDevice, {});
    std::vector<DType> in_types, out_types;
    for (const TensorView& x : in) in_types.push_back(x.dtype);
    for (const TensorView& x : out) out_types.push_back(x.dtype);
    const KernelTypes types{in_types, out_types, kv != nullptr ? kv->dtype : DType::kF32};
    return FindKernel(op, gpu::kDevice, types, attrs, std::array{provider});
  }
};

// Calls over the same memory, one after the other without the host between them.
class GpuRun {
 public:
  explicit GpuRun(std::vector<GpuCall> calls) : calls_(std::move(calls)) {
    for (const GpuCall& call : calls_) {
      for (const TensorView& x : call.in) mirror_.Cover(x, false);
      for (const TensorView& x : call.out) mirror_.Cover(x, true);
      if (call.kv != nullptr) mirror_.Cover(*call.kv, call.op.ends_with("kv_write"));
    }
    mirror_.Allocate();
    for (const GpuCall& call : calls_) {
      rows_.push_back(call.Row());
      EXPECT_NE(rows_.back(), nullptr) << call.op << " of " << call.provider;
      OnDevice device;
      for (const TensorView& x : call.in) device.in.push_back(mirror_(x));
      for (const TensorView& x : call.out) device.out.push_back(mirror_(x));
      if (call.kv != nullptr) device.kv = mirror_(*call.kv);
      on_device_.push_back(std::move(device));
    }
    Upload();
  }

  void Upload() { mirror_.Upload(); }
  // Waits for nothing, so that it can be captured.
  void Launch() const {
    static ThreadPool pool(1);
    for (size_t i = 0; i < calls_.size(); ++i) {
      if (rows_[i] == nullptr) continue;
      gpu::Queue queue = DeviceQueue();
      queue.bounds = calls_[i].bounds;
      if (calls_[i].multiprocessors > 0) queue.multiprocessors = calls_[i].multiprocessors;
      if (calls_[i].cluster_blocks > 0) queue.cluster_blocks = calls_[i].cluster_blocks;
      const OnDevice& device = on_device_[i];
      const KvLayerView* kv = calls_[i].kv != nullptr ? &device.kv : nullptr;
      rows_[i]->run({device.in, device.out, kv, calls_[i].attrs, pool, &queue, calls_[i].program});
      ExpectSuccess(gpuGetLastError());
    }
  }
  void Download() {
    ExpectSuccess(gpuStreamSynchronize(DeviceQueue().stream));
    mirror_.Download();
    ExpectCountersAtRest();
  }

 private:
  struct OnDevice {
    std::vector<TensorView> in, out;
    KvLayerView kv;
  };
  std::vector<GpuCall> calls_;
  std::vector<const KernelRow*> rows_;
  std::vector<OnDevice> on_device_;
  Mirror mirror_;
};

// Runs `op` of one provider on the device; as RunOp of kernels/cpu/testing.h.
inline void RunGpu(std::string_view op, std::string_view provider, std::vector<TensorView> in,
                   std::vector<TensorView> out, const Attrs& attrs = {},
                   const KvLayerView* kv = nullptr, StepBounds bounds = {}) {
  GpuCall call{std::string(op), provider, std::move(in), std::move(out), attrs, kv, bounds};
  GpuRun run(std::vector<GpuCall>{std::move(call)});
  run.Launch();
  run.Download();
}

// The launches of a run as a graph.
class CapturedGraph {
 public:
  explicit CapturedGraph(const GpuRun& run) {
    const auto stream = DeviceQueue().stream;
    gpuGraph_t graph = nullptr;
    ExpectSuccess(gpuStreamBeginCapture(stream, gpuStreamCaptureModeThreadLocal));
    run.Launch();
    ExpectSuccess(gpuStreamEndCapture(stream, &graph));
    ExpectSuccess(RW_GPU_NAME(GraphInstantiateWithFlags)(&ready_, graph, 0));
    ExpectSuccess(gpuGraphDestroy(graph));
  }
  CapturedGraph(const CapturedGraph&) = delete;
  ~CapturedGraph() { gpuGraphExecDestroy(ready_); }

  void Replay() const { ExpectSuccess(gpuGraphLaunch(ready_, DeviceQueue().stream)); }

 private:
  gpuGraphExec_t ready_ = nullptr;
};

// Whole numbers in [-largest, largest]: their sums and products are exact, so that kernels which
// add in different orders agree in every bit.
inline Tensor Integers(DType dtype, std::vector<int64_t> dims, uint32_t seed, int largest,
                       int64_t gap = 0) {
  Tensor x = Tensor(dtype, std::move(dims), gap).Random(seed, static_cast<float>(largest) + 0.999f);
  for (int64_t r = 0; r < x.view().rows(); ++r) {
    for (int64_t i = 0; i < x.view().width(); ++i) {
      const float whole = std::trunc(x.At(r, i));
      x.Set(r, i, std::clamp(whole, static_cast<float>(-largest), static_cast<float>(largest)));
    }
  }
  return x;
}

// The kinds of cache: every type, fp8 with and without scales.
struct CacheKind {
  DType dtype;
  bool scaled;
};
inline constexpr CacheKind kCacheKinds[] = {{DType::kF32, false},
                                            {DType::kBF16, false},
                                            {DType::kF16, false},
                                            {DType::kF8E4M3, false},
                                            {DType::kF8E4M3, true}};

inline void ExpectSame(const Tensor& a, const Tensor& b) {
  EXPECT_TRUE(a.Same(b));
  EXPECT_TRUE(a.CanariesLive());
}

// `count` rows of x from `first` on.
inline TensorView Rows(TensorView x, int64_t first, int64_t count = 1) {
  x.data += first * x.row_stride * static_cast<int64_t>(SizeOf(x.dtype));
  x.dims[0] = count;
  return x;
}

// Copies the rows of one view into the first rows of another.
inline void CopyRows(const TensorView& from, const TensorView& to) {
  const auto size = static_cast<int64_t>(SizeOf(from.dtype));
  RW_CHECK(from.dtype == to.dtype && from.width() == to.width() && from.rows() <= to.rows());
  for (int64_t i = 0; i < from.rows(); ++i) {
    std::memcpy(to.data + i * to.row_stride * size, from.data + i * from.row_stride * size,
                static_cast<size_t>(from.width() * size));
  }
}

}  // namespace rw::testing
