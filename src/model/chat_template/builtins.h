// The tables of what templates may call: filters, tests, functions and methods.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/chat_template/value.h"

namespace rw::jinja {

class Runtime;

struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keyword;
};

// The arguments of a call, set against the parameters of a builtin.
class Arguments {
 public:
  // `parameters` names them in order, those ending in "?" may be left out. "*" alone takes what
  // comes, and the function reads `all`.
  static Result<Arguments> Bind(std::string_view function, std::string_view parameters,
                                CallArguments given);

  bool Has(size_t i) const { return i < bound_.size() && bound_[i].has_value(); }
  // Passed and not none: most of Python's optional parameters take none for "not given".
  bool Given(size_t i) const { return Has(i) && !bound_[i]->is(Kind::kNone); }
  const Value& operator[](size_t i) const { return *bound_[i]; }

  Result<int64_t> Int(size_t i, int64_t otherwise) const;
  Result<bool> Bool(size_t i, bool otherwise) const;
  Result<std::string_view> String(size_t i, std::string_view otherwise) const;

  CallArguments all;

 private:
  std::string_view function_;
  std::vector<std::optional<Value>> bound_;
};

struct Builtin {
  std::string_view name;
  std::string_view parameters;
  Result<Value> (*function)(Runtime& runtime, const Value& self, const Arguments& arguments);
};

// Null: there is none of that name.
const Builtin* FindFilter(std::string_view name);
const Builtin* FindTest(std::string_view name);
const Builtin* FindGlobal(std::string_view name);
const Builtin* FindMethod(const Value& self, std::string_view name);

Result<Value> CallBuiltin(Runtime& runtime, const Builtin& builtin, const Value& self,
                          CallArguments arguments);
Result<Value> CallFilter(Runtime& runtime, std::string_view name, const Value& value,
                         CallArguments arguments);
Result<bool> CallTest(Runtime& runtime, std::string_view name, const Value& value,
                      CallArguments arguments);

// One table for each file of builtins.
std::span<const Builtin> TextFilters();
std::span<const Builtin> ValueFilters();
std::span<const Builtin> SequenceFilters();
std::span<const Builtin> SelectionFilters();
std::span<const Builtin> Tests();
std::span<const Builtin> Globals();
std::span<const Builtin> StringMethods();
std::span<const Builtin> DictMethods();
std::span<const Builtin> ListMethods();
std::span<const Builtin> TupleMethods();  // of ranges too
std::span<const Builtin> LoopMethods();

}  // namespace rw::jinja
