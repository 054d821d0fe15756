#include "compile/native_ops.h"

#include "ops/native.h"
#include "ops/ops.h"

namespace rw {

std::vector<std::string> NativeOps(Device device) {
  std::vector<std::string> names;
  if (NativeRow(device, {}) == nullptr) return names;
  for (const OpDef* op : ops::All()) {
    if (ops::HasMeaning(*op)) names.emplace_back(op->name);
  }
  return names;
}

}  // namespace rw
