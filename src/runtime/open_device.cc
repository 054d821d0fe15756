#include "runtime/device.h"
#if defined(RW_CUDA)
#include "runtime/gpu/gpu_device.h"
#endif

namespace rw {

bool BuiltFor(Device kind) {
#if defined(RW_CUDA)
  if (kind == Device::kCuda) return true;
#endif
  return kind == Device::kCpu;
}

Result<std::shared_ptr<ComputeDevice>> OpenDevice(Device kind, const DeviceOptions& options) {
  if (kind == Device::kCpu) return CpuDevice();
#if defined(RW_CUDA)
  if (kind == Device::kCuda) return OpenGpu(options);
#endif
  (void)options;
  if (kind == Device::kRocm) {
    return Err(
        "rocm: no kernels so far; `ropewalk plan --platform rocm:gfx950,aiter` plans for it");
  }
  return Err("{}: this build has no kernels for it; `make {}` builds with them", Name(kind),
             Name(kind));
}

}  // namespace rw
