// The tests behind "is": x is defined, x is string, x is divisibleby(3).
#include "model/chat_template/builtins.h"
#include "model/chat_template/compare.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/print.h"
#include "model/chat_template/runtime.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

template <bool (*test)(const Value&)>
Result<Value> Test(Runtime&, const Value& self, const Arguments&) {
  return Value::Bool(test(self));
}

template <Op op>
Result<Value> Compared(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return CompareValues(runtime, op, self, arguments[0]).map(Value::Bool);
}

bool IsDefined(const Value& x) { return !x.is_undefined(); }
bool IsUndefined(const Value& x) { return x.is_undefined(); }
bool IsNone(const Value& x) { return x.is(Kind::kNone); }
bool IsBoolean(const Value& x) { return x.is(Kind::kBool); }
bool IsTrue(const Value& x) { return x.is(Kind::kBool) && x.boolean(); }
bool IsFalse(const Value& x) { return x.is(Kind::kBool) && !x.boolean(); }
bool IsInteger(const Value& x) { return x.is(Kind::kInt); }
bool IsFloat(const Value& x) { return x.is(Kind::kFloat); }
bool IsNumber(const Value& x) { return x.is_number(); }
bool IsString(const Value& x) { return x.is_string(); }
bool IsMapping(const Value& x) { return x.is(Kind::kDict); }
bool IsEscaped(const Value& x) { return x.is_string() && x.text().markup; }

// What has a length and items. An undefined value has, in Jinja.
bool IsSequence(const Value& x) {
  return x.is_undefined() || x.is_string() || x.is(Kind::kDict) ||
         (x.is(Kind::kSequence) && x.sequence().indexable());
}
bool IsIterable(const Value& x) {
  return x.is_undefined() || x.is_string() || x.is(Kind::kDict) || x.is(Kind::kSequence) ||
         x.is(Kind::kLoop);
}
bool IsCallable(const Value& x) {
  return x.is_undefined() || x.is(Kind::kCallable) || x.is(Kind::kLoop);
}

template <int64_t wanted>
Result<Value> Parity(Runtime& runtime, const Value& self, const Arguments&) {
  if (self.is_string()) return Err("an even or odd number was expected, found a string");
  RW_ASSIGN(const Value rest, Arithmetic(runtime, Op::kModulo, self, Value::Int(2)));
  return Equal(rest, Value::Int(wanted), &runtime.meter()).map(Value::Bool);
}

Result<Value> DivisibleBy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (self.is_string()) return Err("divisibleby() needs a number, found a string");
  RW_ASSIGN(const Value rest, Arithmetic(runtime, Op::kModulo, self, arguments[0]));
  return Equal(rest, Value::Int(0), &runtime.meter()).map(Value::Bool);
}

template <bool (*wanted)(char32_t), bool (*other)(char32_t)>
Result<Value> HasCase(Runtime& runtime, const Value& self, const Arguments&) {
  RW_ASSIGN(const std::string text, Str(runtime.meter(), self));
  bool any = false;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (other(c.value)) return Value::Bool(false);
    any = any || wanted(c.value);
    i += c.bytes;
  }
  return Value::Bool(any);
}

Result<Value> SameAs(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Value& other = arguments[0];
  if (self.kind() != other.kind()) return Value::Bool(false);
  if (self.identity() != nullptr) return Value::Bool(self.identity() == other.identity());
  return Equal(self, other, &runtime.meter()).map(Value::Bool);
}

Result<Value> IsFilterName(Runtime&, const Value& self, const Arguments&) {
  return Value::Bool(self.is_string() && FindFilter(self.string()) != nullptr);
}
Result<Value> IsTestName(Runtime&, const Value& self, const Arguments&) {
  return Value::Bool(self.is_string() && FindTest(self.string()) != nullptr);
}

constexpr Builtin kTests[] = {
    {"!=", "other", Compared<Op::kNotEqual>},
    {"<", "other", Compared<Op::kLess>},
    {"<=", "other", Compared<Op::kLessEqual>},
    {"==", "other", Compared<Op::kEqual>},
    {">", "other", Compared<Op::kGreater>},
    {">=", "other", Compared<Op::kGreaterEqual>},
    {"boolean", "", Test<IsBoolean>},
    {"callable", "", Test<IsCallable>},
    {"defined", "", Test<IsDefined>},
    {"divisibleby", "num", DivisibleBy},
    {"eq", "other", Compared<Op::kEqual>},
    {"equalto", "other", Compared<Op::kEqual>},
    {"escaped", "", Test<IsEscaped>},
    {"even", "", Parity<0>},
    {"false", "", Test<IsFalse>},
    {"filter", "", IsFilterName},
    {"float", "", Test<IsFloat>},
    {"ge", "other", Compared<Op::kGreaterEqual>},
    {"greaterthan", "other", Compared<Op::kGreater>},
    {"gt", "other", Compared<Op::kGreater>},
    {"in", "seq", Compared<Op::kIn>},
    {"integer", "", Test<IsInteger>},
    {"iterable", "", Test<IsIterable>},
    {"le", "other", Compared<Op::kLessEqual>},
    {"lessthan", "other", Compared<Op::kLess>},
    {"lower", "", HasCase<IsLower, IsUpper>},
    {"lt", "other", Compared<Op::kLess>},
    {"mapping", "", Test<IsMapping>},
    {"ne", "other", Compared<Op::kNotEqual>},
    {"none", "", Test<IsNone>},
    {"number", "", Test<IsNumber>},
    {"odd", "", Parity<1>},
    {"sameas", "other", SameAs},
    {"sequence", "", Test<IsSequence>},
    {"string", "", Test<IsString>},
    {"test", "", IsTestName},
    {"true", "", Test<IsTrue>},
    {"undefined", "", Test<IsUndefined>},
    {"upper", "", HasCase<IsUpper, IsLower>},
};

}  // namespace

std::span<const Builtin> Tests() { return kTests; }

}  // namespace rw::jinja
