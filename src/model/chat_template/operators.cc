#include "model/chat_template/operators.h"

#include <cmath>

#include "model/chat_template/compare.h"
#include "model/chat_template/percent_format.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};

tl::unexpected<Error> Overflow() { return Err("an integer of more than 64 bits"); }
tl::unexpected<Error> ByZero() { return Err("division by zero"); }

tl::unexpected<Error> Unsupported(Op op, const Value& a, const Value& b) {
  return Err("'{}' does not take a '{}' and a '{}'", kSymbols[static_cast<size_t>(op)],
             a.type_name(), b.type_name());
}

Result<Value> IntPower(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return ByZero();
    return Value::Float(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (true) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return Overflow();
    exponent >>= 1;
    if (exponent == 0) return Value::Int(result);
    if (__builtin_mul_overflow(base, base, &base)) return Overflow();
  }
}

// The remainder has the sign of the divisor.
Result<Value> IntDivision(Op op, int64_t a, int64_t b) {
  if (b == 0) return ByZero();
  if (b == -1) {
    if (op == Op::kModulo) return Value::Int(0);
    int64_t negative = 0;
    if (__builtin_sub_overflow(int64_t{0}, a, &negative)) return Overflow();
    return Value::Int(negative);
  }
  const int64_t remainder = a % b;
  const bool adjust = remainder != 0 && ((remainder < 0) != (b < 0));
  if (op == Op::kModulo) return Value::Int(adjust ? remainder + b : remainder);
  return Value::Int(a / b - (adjust ? 1 : 0));
}

Result<Value> IntArithmetic(Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return Overflow();
      return Value::Int(result);
    case Op::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) return Overflow();
      return Value::Int(result);
    case Op::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) return Overflow();
      return Value::Int(result);
    case Op::kDivide:
      if (b == 0) return ByZero();
      // Wider, since integers beyond 2^53 are divided exactly before they are rounded.
      return Value::Float(
          static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case Op::kPower:
      return IntPower(a, b);
    default:
      return IntDivision(op, a, b);
  }
}

Result<Value> FloatDivision(Op op, double a, double b) {
  if (b == 0) return ByZero();
  double remainder = std::fmod(a, b);
  if (remainder == 0) {
    remainder = std::copysign(0.0, b);
  } else if ((b < 0) != (remainder < 0)) {
    remainder += b;
  }
  if (op == Op::kModulo) return Value::Float(remainder);
  const double quotient = (a - remainder) / b;
  double whole = std::floor(quotient);
  if (quotient - whole > 0.5) whole += 1;
  return Value::Float(whole == 0 ? std::copysign(0.0, a / b) : whole);
}

Result<Value> FloatPower(double a, double b) {
  if (a == 0 && b < 0) return ByZero();
  if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b)) {
    return Err("a negative number to a fractional power is no real number");
  }
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
    return Err("the result of '**' is too large");
  }
  return Value::Float(result);
}

Result<Value> FloatArithmetic(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return Value::Float(a + b);
    case Op::kSubtract:
      return Value::Float(a - b);
    case Op::kMultiply:
      return Value::Float(a * b);
    case Op::kDivide:
      if (b == 0) return ByZero();
      return Value::Float(a / b);
    case Op::kPower:
      return FloatPower(a, b);
    default:
      return FloatDivision(op, a, b);
  }
}

// With markup on one side, the other is escaped.
Result<Value> AddStrings(Meter& meter, const Text& a, const Text& b) {
  RW_TRY(meter.Room(a.bytes.size() + b.bytes.size()));
  const bool markup = a.markup || b.markup;
  std::string sum = markup && !a.markup ? EscapeHtml(a.bytes) : a.bytes;
  sum += markup && !b.markup ? EscapeHtml(b.bytes) : b.bytes;
  return NewString(meter, std::move(sum), markup);
}

bool IsListOrTuple(const Value& x) {
  return x.is(Kind::kSequence) &&
         (x.sequence().kind == SequenceKind::kList || x.sequence().kind == SequenceKind::kTuple);
}

Result<Value> AddSequences(Meter& meter, const Sequence& a, const Sequence& b) {
  RW_TRY(meter.Room((a.items.size() + b.items.size()) * sizeof(Value)));
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return NewSequence(meter, a.kind, std::move(items));
}

// How often something of `size` bytes may be repeated is asked before it is done.
Result<size_t> RepeatCount(Meter& meter, int64_t count, size_t size) {
  if (count <= 0 || size == 0) return size_t{0};
  RW_TRY(meter.Room(static_cast<size_t>(count)));
  RW_TRY(meter.Room(static_cast<size_t>(count) * size));
  RW_TRY(meter.Work(static_cast<size_t>(count) * size));
  return static_cast<size_t>(count);
}

Result<Value> Repeat(Meter& meter, const Value& x, int64_t count) {
  if (x.is_string()) {
    RW_ASSIGN(const size_t times, RepeatCount(meter, count, x.string().size()));
    std::string out;
    out.reserve(times * x.string().size());
    for (size_t i = 0; i < times; ++i) out += x.string();
    return NewString(meter, std::move(out), x.text().markup);
  }
  const std::vector<Value>& items = x.sequence().items;
  RW_ASSIGN(const size_t times, RepeatCount(meter, count, items.size() * sizeof(Value)));
  std::vector<Value> out;
  out.reserve(times * items.size());
  for (size_t i = 0; i < times; ++i) out.insert(out.end(), items.begin(), items.end());
  return NewSequence(meter, x.sequence().kind, std::move(out));
}

bool Repeats(const Value& x, const Value& count) {
  return count.is_integral() && (x.is_string() || IsListOrTuple(x));
}

}  // namespace

Result<Value> Arithmetic(Runtime& runtime, Op op, const Value& a, const Value& b) {
  RW_TRY(runtime.meter().Step());
  if (a.is_integral() && b.is_integral()) return IntArithmetic(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return FloatArithmetic(op, a.number(), b.number());
  if (a.is_string() && op == Op::kModulo) {
    RW_ASSIGN(std::string text,
              PercentFormat(runtime.meter(), a.string(), b, /*escape=*/a.text().markup));
    return NewString(runtime.meter(), std::move(text), a.text().markup);
  }
  if (a.is_undefined()) return Err("{}", a.undefined_reason());
  if (b.is_undefined()) return Err("{}", b.undefined_reason());
  if (op == Op::kAdd && a.is_string() && b.is_string()) {
    return AddStrings(runtime.meter(), a.text(), b.text());
  }
  if (op == Op::kAdd && IsListOrTuple(a) && IsListOrTuple(b) &&
      a.sequence().kind == b.sequence().kind) {
    return AddSequences(runtime.meter(), a.sequence(), b.sequence());
  }
  if (op == Op::kMultiply && Repeats(a, b)) return Repeat(runtime.meter(), a, b.integer());
  if (op == Op::kMultiply && Repeats(b, a)) return Repeat(runtime.meter(), b, a.integer());
  return Unsupported(op, a, b);
}

Result<Value> Negative(const Value& x) {
  if (x.is_undefined()) return Err("{}", x.undefined_reason());
  if (x.is_integral()) return IntArithmetic(Op::kSubtract, 0, x.integer());
  if (x.is_number()) return Value::Float(-x.number());
  return Err("'-' does not take a '{}'", x.type_name());
}

Result<Value> Positive(const Value& x) {
  if (x.is_undefined()) return Err("{}", x.undefined_reason());
  if (x.is_integral()) return Value::Int(x.integer());
  if (x.is_number()) return x;
  return Err("'+' does not take a '{}'", x.type_name());
}

Result<bool> CompareValues(Runtime& runtime, Op op, const Value& a, const Value& b) {
  Meter* meter = &runtime.meter();
  const auto negated = [](bool x) { return !x; };
  switch (op) {
    case Op::kEqual:
      return Equal(a, b, meter);
    case Op::kNotEqual:
      return Equal(a, b, meter).map(negated);
    case Op::kIn:
      return Contains(*meter, b, a);
    case Op::kNotIn:
      return Contains(*meter, b, a).map(negated);
    case Op::kLess:
      return Less(a, b, meter);
    case Op::kGreater:
      return Less(b, a, meter);
    default:
      break;
  }
  // Not the negation of "<": a NaN is neither less nor greater, nor equal.
  RW_ASSIGN(const bool less, op == Op::kLessEqual ? Less(a, b, meter) : Less(b, a, meter));
  if (less) return true;
  return Equal(a, b, meter);
}

}  // namespace rw::jinja
