#include "kernels/cuda/native.h"

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/cuda/nvrtc.h"
#include "kernels/gpu/queue.h"
#include "native/gpu_source.h"

namespace rw::cuda {

using native::GpuSource;
using native::GpuVariant;

struct NativeCode::Built {
  GpuSource source;  // without its text
  DType cache = DType::kF32;
  cudaLibrary_t library = nullptr;
  std::array<cudaKernel_t, native::kGpuVariants> kernels{};

  Built() = default;
  Built(const Built&) = delete;
  ~Built() {
    if (library != nullptr) cudaLibraryUnload(library);
  }

  Status Load(const std::string& code) {
    cudaError_t error =
        cudaLibraryLoadData(&library, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
    for (size_t v = 0; v < native::kGpuVariants && error == cudaSuccess; ++v) {
      if (!source.has[v]) continue;
      error = cudaLibraryGetKernel(&kernels[v], library, native::kGpuVariantNames[v].data());
      // Libraries are loaded when a kernel is first asked for, which a step should not wait for.
      cudaFuncAttributes attributes;
      if (error == cudaSuccess) error = cudaFuncGetAttributes(&attributes, Handle(v));
    }
    if (error == cudaSuccess) return {};
    cudaGetLastError();  // it is told here and is not the next call's
    return Err("generated code could not be loaded: {}", cudaGetErrorString(error));
  }
  const void* Handle(size_t variant) const { return static_cast<const void*>(kernels[variant]); }
};

struct NativeCode::State {
  std::string arch;
  native::CodeCache cache;
  std::unordered_map<std::string, std::unique_ptr<const Built>> by_text;
  std::unordered_map<const native::Program*, const Built*> by_address;

  State(std::string arch_name, native::CodeCache::Options options)
      : arch(std::move(arch_name)), cache(std::move(options)) {}

  // A program on its way.
  struct Fresh {
    std::string text;
    GpuSource source;
    DType cache;
    Result<std::string> code = Err("not compiled");

    Fresh(std::string name, GpuSource written, DType cache_type)
        : text(std::move(name)), source(std::move(written)), cache(cache_type) {}
  };

  Result<std::string> CodeOf(const std::string& source) {
    const std::string key = fmt::format("{}\n{}", CompilerKey(arch), source);
    if (auto kept = cache.Find(key)) return *std::move(kept);
    RW_ASSIGN(std::string code, CompileSource(source, arch));
    cache.Keep(key, code);
    return code;
  }
  Status Make(std::vector<Fresh>& fresh) {
    if (fresh.empty()) return {};
    const auto count = static_cast<int64_t>(fresh.size());
    ThreadPool pool(static_cast<int>(std::min<int64_t>(count, AvailableCores())));
    pool.ParallelFor(count, 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        fresh[i].code = CodeOf(fresh[i].source.text);
      }
    });
    for (Fresh& one : fresh) {
      RW_ASSIGN(const std::string code, std::move(one.code));
      auto built = std::make_unique<Built>();
      built->source = std::move(one.source);
      built->source.text.clear();
      built->cache = one.cache;
      RW_TRY(built->Load(code));
      by_text[one.text] = std::move(built);
    }
    return {};
  }
};

NativeCode::NativeCode(std::string arch, native::CodeCache::Options cache)
    : state_(std::make_unique<State>(std::move(arch), std::move(cache))) {}
NativeCode::~NativeCode() = default;

Status NativeCode::Build(std::span<const native::Program* const> programs) {
  std::vector<std::string> texts;  // of the programs
  std::vector<State::Fresh> fresh;
  for (const native::Program* program : programs) {
    texts.push_back(native::Print(*program));
    if (state_->by_text.contains(texts.back())) continue;
    state_->by_text.emplace(texts.back(), nullptr);
    fresh.emplace_back(texts.back(), native::WriteGpuSource(*program), program->cache);
  }
  const Status made = state_->Make(fresh);
  // What failed is not known: the next Build tries again.
  std::erase_if(state_->by_text, [](const auto& entry) { return entry.second == nullptr; });
  RW_TRY(made);
  for (size_t i = 0; i < programs.size(); ++i) {
    state_->by_address[programs[i]] = state_->by_text.at(texts[i]).get();
  }
  return {};
}

const NativeCode::Built& NativeCode::Of(const native::Program* program) const {
  const auto found = state_->by_address.find(program);
  RW_CHECK(found != state_->by_address.end(), "a program runs that was not built");
  return *found->second;
}

namespace {

using native::GpuParams;
using native::GpuPort;

int Clamped(int64_t count) {
  return static_cast<int>(std::min<int64_t>(count, std::numeric_limits<int>::max()));
}

bool Divides(int64_t by, int64_t bytes) { return bytes % by == 0; }

// Whether memory lies as whole octets ask.
bool FitsPort(const GpuSource::PortRule& rule, const TensorView& x) {
  const auto size = static_cast<int64_t>(SizeOf(x.dtype));
  return Divides(rule.alignment, static_cast<int64_t>(reinterpret_cast<intptr_t>(x.data))) &&
         (!rule.strides || x.rows() <= 1 || Divides(rule.alignment, x.row_stride * size));
}
bool FitsCache(int64_t alignment, const KvLayerView& kv) {
  const auto size = static_cast<int64_t>(SizeOf(kv.dtype));
  for (const std::byte* plane : {kv.k, kv.v}) {
    if (!Divides(alignment, static_cast<int64_t>(reinterpret_cast<intptr_t>(plane)))) return false;
  }
  return Divides(alignment, kv.page_stride * size) && Divides(alignment, kv.head_stride * size) &&
         Divides(alignment, kv.token_stride * size);
}

class NativeLaunch {
 public:
  NativeLaunch(const KernelCall& call, const NativeCode::Built& code)
      : call_(call), code_(code), source_(code.source) {
    RW_CHECK(call.in.size() + call.out.size() == source_.ports.size(),
             "{} operands of a program "
             "of {} ports",
             call.in.size() + call.out.size(), source_.ports.size());
    size_t port = 0;
    for (const auto operands : {call.in, call.out}) {
      for (const TensorView& x : operands) {
        params_.port[port] = {x.data, x.row_stride, Clamped(x.rows())};
        fits_ = fits_ && FitsPort(source_.ports[port], x);
        ++port;
      }
    }
    if (source_.caches) SetCache();
  }

  void Start(const gpu::Queue& queue) {
    const auto variant = static_cast<size_t>(Choose(queue));
    const unsigned blocks = NumberBlocks(variant);
    if (blocks == 0) return;
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(blocks);
    config.blockDim = dim3(static_cast<unsigned>(source_.threads));
    config.stream = queue.stream;
    config.attrs = &attribute;
    config.numAttrs = queue.overlap ? 1 : 0;
    void* args[] = {&params_};
    cudaLaunchKernelExC(&config, code_.Handle(variant), args);
  }

 private:
  void SetCache() {
    RW_CHECK(call_.kv != nullptr && call_.kv->dtype == code_.cache, "a program without its cache");
    const KvLayerView& kv = *call_.kv;
    params_.launch.cache = {{kv.k, kv.v},   {kv.k_scale, kv.v_scale},
                            kv.page_stride, kv.token_stride,
                            kv.head_stride, Clamped(kv.pages * kPageSize)};
    fits_ = fits_ && FitsCache(source_.cache_alignment, kv);
  }
  int64_t RowsOf(const GpuSource::PartLaunch& part) const {
    return call_.in[static_cast<size_t>(part.counted)].rows();
  }
  GpuVariant Choose(const gpu::Queue& queue) const {
    if (!fits_ || !Has(GpuVariant::kOctets)) return GpuVariant::kElements;
    if (!Has(GpuVariant::kTwoHeads)) return GpuVariant::kOctets;
    int64_t threads = 0;
    for (const GpuSource::PartLaunch& part : source_.parts) {
      threads += RowsOf(part) * part.threads[static_cast<size_t>(GpuVariant::kOctets)];
    }
    const bool few = threads <= source_.few_threads * std::max(queue.multiprocessors, 1);
    return few ? GpuVariant::kOctets : GpuVariant::kTwoHeads;
  }
  bool Has(GpuVariant variant) const { return source_.has[static_cast<size_t>(variant)]; }

  unsigned NumberBlocks(size_t variant) {
    int64_t blocks = 0;
    for (size_t i = 0; i < source_.parts.size(); ++i) {
      const int64_t rows = RowsOf(source_.parts[i]);
      const int64_t threads = rows * source_.parts[i].threads[variant];
      RW_CHECK(threads <= std::numeric_limits<unsigned>::max() - source_.threads, "{} rows", rows);
      params_.launch.rows[i] = static_cast<unsigned>(rows);
      params_.launch.first[i] = static_cast<unsigned>(blocks);
      blocks += (threads + source_.threads - 1) / source_.threads;
    }
    return static_cast<unsigned>(blocks);
  }

  const KernelCall& call_;
  const NativeCode::Built& code_;
  const GpuSource& source_;
  GpuParams params_;
  bool fits_ = true;
};

void Run(const KernelCall& call) {
  RW_CHECK(call.gpu != nullptr && call.gpu->native != nullptr, "generated code without its queue");
  NativeLaunch(call, call.gpu->native->Of(call.program)).Start(*call.gpu);
}

constexpr KernelRow kRow{"native", Device::kCuda, "nvrtc",
                         [](const KernelTypes&, const Attrs&) { return true; }, Run};

}  // namespace

const KernelRow& NativeKernel() { return kRow; }

}  // namespace rw::cuda
