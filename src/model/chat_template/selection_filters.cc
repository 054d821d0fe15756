// Filters that apply a filter or test to each item: map, select, reject, selectattr, rejectattr.
#include "model/chat_template/access.h"
#include "model/chat_template/attribute_path.h"
#include "model/chat_template/builtins.h"
#include "model/chat_template/print.h"
#include "model/chat_template/runtime.h"

namespace rw::jinja {
namespace {

// What is falsy has no items here, even what could not be iterated over: none, 0.
Result<std::vector<Value>> ItemsIfTrue(Runtime& runtime, const Value& self) {
  if (!Truthy(self)) return std::vector<Value>();
  return Items(runtime, self);
}

Result<Value> MapToAttribute(Runtime& runtime, std::vector<Value> items,
                             const CallArguments& given) {
  std::optional<Value> path_text;
  std::optional<Value> otherwise;
  for (const auto& [name, value] : given.keyword) {
    if (name == "attribute") {
      path_text = value;
    } else if (name == "default") {
      if (!value.is(Kind::kNone)) otherwise = value;
    } else {
      return Err("map() has no argument '{}'", name);
    }
  }
  if (!path_text) return Err("map() needs the name of a filter or an attribute");
  RW_ASSIGN(const AttributePath path, AttributePath::Parse(runtime, *path_text));
  for (Value& item : items) {
    RW_ASSIGN(item, path.Get(runtime, item, otherwise));
  }
  return NewSequence(runtime.meter(), SequenceKind::kGenerator, std::move(items));
}

// The name of a filter or test among the arguments and what is left for it.
struct Inner {
  std::string name;
  CallArguments arguments;
};

Result<Inner> TakeInner(std::string_view function, const CallArguments& given, size_t at) {
  if (!given.positional[at].is_string()) {
    return Err("{}() needs a name, found a '{}'", function, given.positional[at].type_name());
  }
  Inner inner;
  inner.name = given.positional[at].string();
  inner.arguments.positional.assign(given.positional.begin() + static_cast<ptrdiff_t>(at) + 1,
                                    given.positional.end());
  inner.arguments.keyword = given.keyword;
  return inner;
}

Result<Value> Map(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(std::vector<Value> items, ItemsIfTrue(runtime, self));
  const CallArguments& given = arguments.all;
  if (given.positional.empty()) return MapToAttribute(runtime, std::move(items), given);
  RW_ASSIGN(const Inner inner, TakeInner("map", given, 0));
  for (Value& item : items) {
    RW_ASSIGN(item, CallFilter(runtime, inner.name, item, inner.arguments));
  }
  return NewSequence(runtime.meter(), SequenceKind::kGenerator, std::move(items));
}

// `keep`: what the test must say of an item that stays. `by_attribute`: the first argument names
// what of the item is tested.
Result<Value> Select(Runtime& runtime, const Value& self, const CallArguments& given, bool keep,
                     bool by_attribute) {
  const size_t test_at = by_attribute ? 1 : 0;
  AttributePath path;
  if (by_attribute) {
    if (given.positional.empty()) return Err("selectattr() needs the name of an attribute");
    RW_ASSIGN(path, AttributePath::Parse(runtime, given.positional[0]));
  }
  std::optional<Inner> test;
  if (given.positional.size() > test_at) {
    RW_ASSIGN(test, TakeInner("select", given, test_at));
  }
  RW_ASSIGN(const std::vector<Value> items, ItemsIfTrue(runtime, self));
  std::vector<Value> kept;
  for (const Value& item : items) {
    RW_ASSIGN(const Value value, path.Get(runtime, item));
    bool passes = Truthy(value);
    if (test) {
      RW_ASSIGN(passes, CallTest(runtime, test->name, value, test->arguments));
    }
    if (passes == keep) kept.push_back(item);
  }
  return NewSequence(runtime.meter(), SequenceKind::kGenerator, std::move(kept));
}

template <bool keep, bool by_attribute>
Result<Value> SelectFilter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return Select(runtime, self, arguments.all, keep, by_attribute);
}

constexpr Builtin kSelectionFilters[] = {
    {"map", "*", Map},
    {"reject", "*", SelectFilter<false, false>},
    {"rejectattr", "*", SelectFilter<false, true>},
    {"select", "*", SelectFilter<true, false>},
    {"selectattr", "*", SelectFilter<true, true>},
};

}  // namespace

std::span<const Builtin> SelectionFilters() { return kSelectionFilters; }

}  // namespace rw::jinja
