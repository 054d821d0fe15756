#include "model/chat_template/builtins.h"

#include <algorithm>
#include <initializer_list>

#include "model/chat_template/print.h"
#include "model/chat_template/runtime.h"

namespace rw::jinja {
namespace {

const Builtin* FindIn(std::span<const Builtin> table, std::string_view name) {
  const auto it = std::find_if(table.begin(), table.end(),
                               [&](const Builtin& builtin) { return builtin.name == name; });
  return it == table.end() ? nullptr : &*it;
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::string_view ParameterName(std::string_view parameter) {
  return parameter.substr(0, parameter.find('?'));
}

}  // namespace

Result<Arguments> Arguments::Bind(std::string_view function, std::string_view parameters,
                                  CallArguments given) {
  Arguments arguments;
  arguments.function_ = function;
  if (parameters == "*") {
    arguments.all = std::move(given);
    return arguments;
  }
  const std::vector<std::string_view> names = Words(parameters);
  if (given.positional.size() > names.size()) {
    return Err("{}() takes at most {} arguments, found {}", function, names.size(),
               given.positional.size());
  }
  arguments.bound_.resize(names.size());
  for (size_t i = 0; i < given.positional.size(); ++i) {
    arguments.bound_[i] = std::move(given.positional[i]);
  }
  for (auto& [name, value] : given.keyword) {
    const auto matches = [&n = name](std::string_view p) { return ParameterName(p) == n; };
    const auto it = std::find_if(names.begin(), names.end(), matches);
    if (it == names.end()) return Err("{}() has no argument '{}'", function, name);
    auto& slot = arguments.bound_[static_cast<size_t>(it - names.begin())];
    if (slot.has_value()) return Err("{}() got its argument '{}' twice", function, name);
    slot = std::move(value);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (!arguments.bound_[i].has_value() && names[i].back() != '?') {
      return Err("{}() needs its argument '{}'", function, names[i]);
    }
  }
  return arguments;
}

Result<int64_t> Arguments::Int(size_t i, int64_t otherwise) const {
  if (!Has(i)) return otherwise;
  if (!bound_[i]->is_integral()) {
    return Err("{}() needs an integer as argument {}, found a '{}'", function_, i + 1,
               bound_[i]->type_name());
  }
  return bound_[i]->integer();
}

Result<bool> Arguments::Bool(size_t i, bool otherwise) const {
  return Has(i) ? Truthy(*bound_[i]) : otherwise;
}

Result<std::string_view> Arguments::String(size_t i, std::string_view otherwise) const {
  if (!Has(i)) return otherwise;
  if (!bound_[i]->is_string()) {
    return Err("{}() needs a string as argument {}, found a '{}'", function_, i + 1,
               bound_[i]->type_name());
  }
  return std::string_view(bound_[i]->string());
}

const Builtin* FindFilter(std::string_view name) {
  for (const auto table : {TextFilters(), ValueFilters(), SequenceFilters(), SelectionFilters()}) {
    if (const Builtin* builtin = FindIn(table, name)) return builtin;
  }
  return nullptr;
}

const Builtin* FindTest(std::string_view name) { return FindIn(Tests(), name); }
const Builtin* FindGlobal(std::string_view name) { return FindIn(Globals(), name); }

const Builtin* FindMethod(const Value& self, std::string_view name) {
  switch (self.kind()) {
    case Kind::kString:
      return FindIn(StringMethods(), name);
    case Kind::kDict:
      return FindIn(DictMethods(), name);
    case Kind::kSequence:
      if (!self.sequence().indexable()) return nullptr;
      return FindIn(self.sequence().kind == SequenceKind::kList ? ListMethods() : TupleMethods(),
                    name);
    case Kind::kLoop:
      return FindIn(LoopMethods(), name);
    default:
      return nullptr;
  }
}

Result<Value> CallBuiltin(Runtime& runtime, const Builtin& builtin, const Value& self,
                          CallArguments arguments) {
  RW_TRY(runtime.meter().Step());
  RW_ASSIGN(const Arguments bound,
            Arguments::Bind(builtin.name, builtin.parameters, std::move(arguments)));
  return builtin.function(runtime, self, bound);
}

Result<Value> CallFilter(Runtime& runtime, std::string_view name, const Value& value,
                         CallArguments arguments) {
  const Builtin* filter = FindFilter(name);
  if (filter == nullptr) return Err("there is no filter '{}' here", name);
  return CallBuiltin(runtime, *filter, value, std::move(arguments));
}

Result<bool> CallTest(Runtime& runtime, std::string_view name, const Value& value,
                      CallArguments arguments) {
  const Builtin* test = FindTest(name);
  if (test == nullptr) return Err("there is no test '{}' here", name);
  RW_ASSIGN(const Value result, CallBuiltin(runtime, *test, value, std::move(arguments)));
  return Truthy(result);
}

}  // namespace rw::jinja
