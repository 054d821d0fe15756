#include "model/chat_template/runtime.h"

namespace rw::jinja {
namespace {
constexpr size_t kNamespaceBytes = 160;
constexpr size_t kAttributeBytes = 112;
}  // namespace

Result<std::shared_ptr<Namespace>> Runtime::NewNamespace() {
  auto space = std::make_shared<Namespace>();
  RW_TRY(space->charge.Grow(&meter_, kNamespaceBytes));
  namespaces_.push_back(space);
  return space;
}

Status SetAttribute(Runtime& runtime, Namespace& space, std::string_view name, Value value) {
  if (name.starts_with('_')) {
    return Err("a namespace takes no attribute that starts with '_', found '{}'",
               name.substr(0, 60));
  }
  const auto it = space.attributes.find(name);
  if (it != space.attributes.end()) {
    it->second = std::move(value);
    return {};
  }
  RW_TRY(space.charge.Grow(&runtime.meter(), kAttributeBytes + name.size()));
  space.attributes.emplace(name, std::move(value));
  return {};
}

}  // namespace rw::jinja
