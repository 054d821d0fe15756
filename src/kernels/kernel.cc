#include "kernels/kernel.h"

namespace rw {

std::string_view Name(Device device) {
  switch (device) {
    case Device::kCpu:
      return "cpu";
    case Device::kCuda:
      return "cuda";
    case Device::kRocm:
      return "rocm";
  }
  return "?";
}

const KernelRow* FindKernel(std::string_view op, Device device, const KernelTypes& types,
                            const Attrs& attrs, std::span<const std::string_view> providers) {
  for (const std::string_view provider : providers) {
    for (const KernelRow& row : KernelTable()) {
      if (row.op == op && row.device == device && row.provider == provider &&
          row.accepts(types, attrs)) {
        return &row;
      }
    }
  }
  return nullptr;
}

}  // namespace rw
