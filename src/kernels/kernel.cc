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

const KernelRow* NativeRow(Device device, std::span<const std::string_view> providers) {
  const KernelRow* first = nullptr;
  for (const KernelRow* row : NativeRows()) {
    if (row->device == device && first == nullptr) first = row;
  }
  for (const std::string_view provider : providers) {
    for (const KernelRow* row : NativeRows()) {
      if (row->device == device && row->provider == provider) return row;
    }
  }
  return first;
}

const KernelRow* FindKernel(std::string_view op, Device device, const KernelTypes& types,
                            const Attrs& attrs, std::span<const std::string_view> providers) {
  const auto find = [&](const std::string_view* provider) -> const KernelRow* {
    for (const KernelRow& row : KernelTable()) {
      if (row.op == op && row.device == device &&
          (provider == nullptr || row.provider == *provider) && row.accepts(types, attrs)) {
        return &row;
      }
    }
    return nullptr;
  };
  if (providers.empty()) return find(nullptr);
  for (const std::string_view& provider : providers) {
    if (const KernelRow* row = find(&provider)) return row;
  }
  return nullptr;
}

}  // namespace rw
