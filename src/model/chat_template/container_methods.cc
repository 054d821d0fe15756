// Methods of dicts, lists, tuples, ranges and loops. Those that would change their object are
// refused by the sandbox (access.cc).
#include "model/chat_template/access.h"
#include "model/chat_template/builtins.h"
#include "model/chat_template/compare.h"
#include "model/chat_template/runtime.h"

namespace rw::jinja {
namespace {

template <SequenceKind kind>
Result<Value> View(Runtime& runtime, const Value& self, const Arguments&) {
  return DictView(runtime, self.dict(), kind);
}

Result<Value> Get(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const Value* found, self.dict().Find(arguments[0], &runtime.meter()));
  if (found != nullptr) return *found;
  return arguments.Has(1) ? arguments[1] : Value::None();
}

// Values never change, so a copy is the value itself.
Result<Value> Copy(Runtime&, const Value& self, const Arguments&) { return self; }

Result<Value> CountItems(Runtime& runtime, const Value& self, const Arguments& arguments) {
  int64_t count = 0;
  for (const Value& item : self.sequence().items) {
    RW_ASSIGN(const bool equal, Equal(item, arguments[0], &runtime.meter()));
    count += equal ? 1 : 0;
  }
  return Value::Int(count);
}

Result<Value> IndexOf(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const auto& items = self.sequence().items;
  for (size_t i = 0; i < items.size(); ++i) {
    RW_ASSIGN(const bool equal, Equal(items[i], arguments[0], &runtime.meter()));
    if (equal) return Value::Int(static_cast<int64_t>(i));
  }
  return Err("index() found no such item");
}

Result<Value> Cycle(Runtime&, const Value& self, const Arguments& arguments) {
  const auto& values = arguments.all.positional;
  if (values.empty()) return Err("cycle() needs something to cycle through");
  return values[self.loop().index % values.size()];
}

constexpr Builtin kDictMethods[] = {
    {"copy", "", Copy},
    {"get", "key default?", Get},
    {"items", "", View<SequenceKind::kItems>},
    {"keys", "", View<SequenceKind::kKeys>},
    {"values", "", View<SequenceKind::kValues>},
};

constexpr Builtin kListMethods[] = {
    {"copy", "", Copy},
    {"count", "value", CountItems},
    {"index", "value", IndexOf},
};

constexpr Builtin kTupleMethods[] = {
    {"count", "value", CountItems},
    {"index", "value", IndexOf},
};

constexpr Builtin kLoopMethods[] = {
    {"cycle", "*", Cycle},
};

}  // namespace

std::span<const Builtin> DictMethods() { return kDictMethods; }
std::span<const Builtin> ListMethods() { return kListMethods; }
std::span<const Builtin> TupleMethods() { return kTupleMethods; }
std::span<const Builtin> LoopMethods() { return kLoopMethods; }

}  // namespace rw::jinja
