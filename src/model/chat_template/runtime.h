// What one rendering carries with it: its budget, the time it shows, the namespaces it made.
#pragma once

#include <ctime>
#include <memory>
#include <vector>

#include "model/chat_template/value.h"

namespace rw::jinja {

class Runtime {
 public:
  Runtime(uint64_t steps, size_t value_bytes, const std::tm& now)
      : meter_(steps, value_bytes), now_(now) {}
  // A namespace may hold itself, so all are emptied when the rendering ends.
  ~Runtime() {
    for (const auto& space : namespaces_) space->attributes.clear();
  }
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Meter& meter() { return meter_; }
  const std::tm& now() const { return now_; }

  Result<std::shared_ptr<Namespace>> NewNamespace();

 private:
  Meter meter_;
  std::tm now_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

// Sets an attribute of a namespace; names that start with "_" are refused, as transformers does.
Status SetAttribute(Runtime& runtime, Namespace& space, std::string_view name, Value value);

}  // namespace rw::jinja
