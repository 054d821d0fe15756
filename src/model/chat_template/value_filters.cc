// Filters over single values: numbers, defaults, JSON.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "model/chat_template/access.h"
#include "model/chat_template/builtins.h"
#include "model/chat_template/number.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/print.h"
#include "model/chat_template/runtime.h"
#include "model/chat_template/tojson.h"

namespace rw::jinja {
namespace {

Result<Value> Default(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const bool falsy_too, arguments.Bool(1, false));
  if (!self.is_undefined() && (!falsy_too || Truthy(self))) return self;
  if (arguments.Has(0)) return arguments[0];
  return NewString(runtime.meter(), "");
}

Result<Value> ToInt(Runtime&, const Value& self, const Arguments& arguments) {
  const Value otherwise = arguments.Has(0) ? arguments[0] : Value::Int(0);
  if (self.is_undefined()) return Err("{}", self.undefined_reason());
  if (self.is_integral()) return Value::Int(self.integer());
  if (self.is_number()) {
    if (std::isnan(self.number())) return otherwise;
    return Truncate(self.number()).map(Value::Int);
  }
  if (!self.is_string()) return otherwise;
  RW_ASSIGN(const int64_t base, arguments.Int(1, 10));
  const bool known = base == 0 || (base >= 2 && base <= 36);
  RW_ASSIGN(const std::optional<int64_t> whole,
            ParseInt(self.string(), known ? static_cast<int>(base) : -1));
  if (whole) return Value::Int(*whole);
  const std::optional<double> number = ParseFloat(self.string());
  if (!number || !std::isfinite(*number)) return otherwise;
  return Truncate(*number).map(Value::Int);
}

Result<Value> ToFloat(Runtime&, const Value& self, const Arguments& arguments) {
  if (self.is_undefined()) return Err("{}", self.undefined_reason());
  if (self.is_number()) return Value::Float(self.number());
  if (self.is_string()) {
    if (const auto number = ParseFloat(self.string())) return Value::Float(*number);
  }
  return arguments.Has(0) ? arguments[0] : Value::Float(0);
}

Result<Value> Abs(Runtime&, const Value& self, const Arguments&) {
  if (self.is_integral()) return self.integer() < 0 ? Negative(self) : Positive(self);
  if (self.is_number()) return Value::Float(std::fabs(self.number()));
  return Err("abs() needs a number, found a '{}'", self.type_name());
}

// Python's round(float, digits): by the exact decimal value, ties to even, which is printf's way.
double RoundTo(double x, int64_t digits) {
  if (!std::isfinite(x) || digits > 340) return x;
  char buffer[700];
  std::snprintf(buffer, sizeof(buffer), "%.*f", static_cast<int>(digits), x);
  return std::strtod(buffer, nullptr);
}

Result<Value> Round(Runtime&, const Value& self, const Arguments& arguments) {
  if (!self.is_number()) return Err("round() needs a number, found a '{}'", self.type_name());
  RW_ASSIGN(const int64_t digits, arguments.Int(0, 0));
  RW_ASSIGN(const std::string_view method, arguments.String(1, "common"));
  if (digits < 0) return Err("round() to places before the point is not supported");
  if (method == "common") {
    if (self.is_integral()) return Value::Int(self.integer());
    return Value::Float(RoundTo(self.number(), digits));
  }
  if (method != "ceil" && method != "floor") {
    return Err("round() knows the methods common, ceil and floor, found '{}'",
               method.substr(0, 40));
  }
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = self.number() * scale;
  if (!std::isfinite(scaled)) return Err("round() of a number that is too large");
  // Python's ceil and floor give integers, which have no negative zero.
  return Value::Float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale + 0.0);
}

Result<Value> ToJsonFilter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JsonStyle style;
  RW_ASSIGN(style.ensure_ascii, arguments.Bool(0, false));
  if (arguments.Given(1)) {
    if (arguments[1].is_string()) {
      style.indent = arguments[1].string();
    } else {
      RW_ASSIGN(const int64_t width, arguments.Int(1, 0));
      if (width > 1000) return Err("tojson() with an indent of more than 1000 is refused");
      style.indent = std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    }
    style.item_separator.assign(1, ',');
  }
  if (arguments.Given(2)) {
    RW_ASSIGN(const std::vector<Value> separators, Items(runtime, arguments[2]));
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string()) {
      return Err("tojson() needs two strings as separators");
    }
    style.item_separator = separators[0].string();
    style.key_separator = separators[1].string();
  }
  RW_ASSIGN(style.sort_keys, arguments.Bool(3, false));
  RW_ASSIGN(std::string text, ToJson(runtime.meter(), self, style));
  return NewString(runtime.meter(), std::move(text));
}

Result<Value> LengthFilter(Runtime& runtime, const Value& self, const Arguments&) {
  return Length(runtime, self).map(Value::Int);
}

Result<Value> ListFilter(Runtime& runtime, const Value& self, const Arguments&) {
  RW_ASSIGN(std::vector<Value> items, Items(runtime, self));
  return NewList(runtime.meter(), std::move(items));
}

Result<Value> ItemsFilter(Runtime& runtime, const Value& self, const Arguments&) {
  if (self.is_undefined()) return NewSequence(runtime.meter(), SequenceKind::kGenerator, {});
  if (!self.is(Kind::kDict)) return Err("items() needs a mapping, found a '{}'", self.type_name());
  RW_ASSIGN(const Value view, DictView(runtime, self.dict(), SequenceKind::kItems));
  return NewSequence(runtime.meter(), SequenceKind::kGenerator, view.sequence().items);
}

constexpr Builtin kValueFilters[] = {
    {"abs", "", Abs},
    {"count", "", LengthFilter},
    {"d", "default_value? boolean?", Default},
    {"default", "default_value? boolean?", Default},
    {"float", "default?", ToFloat},
    {"int", "default? base?", ToInt},
    {"items", "", ItemsFilter},
    {"length", "", LengthFilter},
    {"list", "", ListFilter},
    {"round", "precision? method?", Round},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", ToJsonFilter},
};

}  // namespace

std::span<const Builtin> ValueFilters() { return kValueFilters; }

}  // namespace rw::jinja
