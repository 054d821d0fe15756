#include "ir/op.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace rw {
namespace {

bool IsVariable(std::string_view dtype) { return dtype[0] >= 'A' && dtype[0] <= 'Z'; }

std::optional<int64_t> AsNumber(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The variables of one signature while they are being matched.
class Unifier {
 public:
  Unifier(const OpDef& op, const Attrs& attrs) : op_(op) {
    for (const auto& [name, value] : attrs) {
      if (const auto* number = std::get_if<int64_t>(&value)) dims_.emplace(name, Dim(*number));
    }
    if (const AttrValue* dtype = attrs.Find("dtype")) {
      if (const auto* text = std::get_if<std::string>(dtype)) result_dtype_ = ParseDType(*text);
    }
  }

  Status MatchOperand(const OperandPattern& pattern, const Type& type) {
    if (pattern.is_kv() != type.is_kv()) return Mismatch(pattern, type, "wrong kind");
    if (!pattern.is_kv()) RW_TRY(MatchDType(pattern, type));
    if (pattern.is_kv()) kv_dtype_ = type.dtype;
    const bool any_prefix = pattern.rank > 0 && pattern.dims[0] == "*";
    const auto rank = static_cast<int>(type.dims.size());
    const int fixed = any_prefix ? pattern.rank - 1 : pattern.rank;
    if (any_prefix ? rank < fixed : rank != fixed) return Mismatch(pattern, type, "wrong rank");
    if (any_prefix) RW_TRY(MatchPrefix(pattern, type, rank - fixed));
    for (int i = 0; i < fixed; ++i) {
      const std::string_view variable = pattern.dims[any_prefix ? i + 1 : i];
      if (!MatchDim(variable, type.dims[rank - fixed + i])) {
        return Mismatch(pattern, type, fmt::format("dim {} departs", variable));
      }
    }
    return {};
  }

  Result<Type> MakeResult(const OperandPattern& pattern) const {
    Type type;
    if (pattern.is_kv()) {
      type.kind = Type::Kind::kKv;
      type.dtype = kv_dtype_;
    } else {
      RW_ASSIGN(type.dtype, ResultDType(pattern));
    }
    for (int i = 0; i < pattern.rank; ++i) {
      if (pattern.dims[i] == "*") {
        type.dims = prefix_;
        continue;
      }
      const std::optional<Dim> dim = Evaluate(pattern.dims[i]);
      if (!dim)
        return Err("{}: dim {} of result {} is not known", op_.name, pattern.dims[i], pattern.name);
      type.dims.push_back(*dim);
    }
    return type;
  }

 private:
  tl::unexpected<Error> Mismatch(const OperandPattern& pattern, const Type& type,
                                 std::string_view why) const {
    return Err("{}: operand {}: {}: expected {}, found {}", op_.name, pattern.name, why,
               op_.signature.text, ToString(type));
  }

  Status MatchDType(const OperandPattern& pattern, const Type& type) {
    if (!IsVariable(pattern.dtype)) {
      if (ParseDType(pattern.dtype) != type.dtype) return Mismatch(pattern, type, "wrong dtype");
      return {};
    }
    const auto [it, fresh] = dtypes_.emplace(pattern.dtype, type.dtype);
    if (!fresh && it->second != type.dtype) return Mismatch(pattern, type, "wrong dtype");
    return {};
  }

  Status MatchPrefix(const OperandPattern& pattern, const Type& type, int count) {
    std::vector<Dim> prefix(type.dims.begin(), type.dims.begin() + count);
    if (has_prefix_ && prefix != prefix_) return Mismatch(pattern, type, "leading dims depart");
    has_prefix_ = true;
    prefix_ = std::move(prefix);
    return {};
  }

  bool MatchDim(std::string_view pattern, const Dim& dim) {
    if (const std::optional<Dim> known = Evaluate(pattern)) return *known == dim;
    const size_t star = pattern.find('*');
    if (star == std::string_view::npos) {
      dims_.emplace(pattern, dim);
      return true;
    }
    // A product with one factor known gives the other.
    const std::string_view a = pattern.substr(0, star);
    const std::string_view b = pattern.substr(star + 1);
    const std::optional<Dim> known_a = Evaluate(a);
    const std::optional<Dim> known_b = Evaluate(b);
    const std::optional<Dim>& known = known_a ? known_a : known_b;
    if (!known || known->is_symbol() || dim.is_symbol()) return false;
    if (known->value <= 0 || dim.value % known->value != 0) return false;
    dims_.emplace(known_a ? b : a, Dim(dim.value / known->value));
    return true;
  }

  std::optional<Dim> Evaluate(std::string_view pattern) const {
    if (const auto number = AsNumber(pattern)) return Dim(*number);
    if (const size_t star = pattern.find('*'); star != std::string_view::npos) {
      const auto a = Evaluate(pattern.substr(0, star));
      const auto b = Evaluate(pattern.substr(star + 1));
      if (!a || !b || a->is_symbol() || b->is_symbol()) return std::nullopt;
      return Dim(a->value * b->value);
    }
    const auto it = dims_.find(pattern);
    return it == dims_.end() ? std::nullopt : std::optional<Dim>(it->second);
  }

  Result<DType> ResultDType(const OperandPattern& pattern) const {
    if (!IsVariable(pattern.dtype)) return *ParseDType(pattern.dtype);
    if (const auto it = dtypes_.find(pattern.dtype); it != dtypes_.end()) return it->second;
    if (result_dtype_) return *result_dtype_;
    return Err("{}: result {} needs the attribute dtype", op_.name, pattern.name);
  }

  const OpDef& op_;
  std::map<std::string_view, DType> dtypes_;
  std::map<std::string, Dim, std::less<>> dims_;
  std::vector<Dim> prefix_;
  bool has_prefix_ = false;
  DType kv_dtype_ = DType::kF32;
  std::optional<DType> result_dtype_;
};

}  // namespace

Result<std::vector<Type>> InferResults(const OpDef& op, std::span<const Type> operands,
                                       const Attrs& attrs) {
  const Signature& signature = op.signature;
  const auto count = static_cast<int>(operands.size());
  if (count < signature.required() || count > signature.num_in) {
    return Err("{}: expected {}, found {} operands", op.name, signature.text, count);
  }
  Unifier unifier(op, attrs);
  for (int i = 0; i < count; ++i) {
    RW_TRY(unifier.MatchOperand(signature.in[i], operands[i]));
  }
  std::vector<Type> results;
  for (int i = 0; i < signature.num_out; ++i) {
    RW_ASSIGN(Type type, unifier.MakeResult(signature.out[i]));
    results.push_back(std::move(type));
  }
  return results;
}

Status CheckAttrs(const OpDef& op, const Attrs& attrs) {
  for (const AttrDef& def : op.attrs) {
    const AttrValue* value = attrs.Find(def.name);
    if (value == nullptr) return Err("{}: attribute {} is missing", op.name, def.name);
    if (value->index() != static_cast<size_t>(def.kind)) {
      static constexpr std::string_view kKinds[] = {"an integer", "a number with a point",
                                                    "a text"};
      return Err("{}: attribute {}: expected {}", op.name, def.name,
                 kKinds[static_cast<size_t>(def.kind)]);
    }
    if (const auto* text = std::get_if<std::string>(value);
        text != nullptr && !def.values.empty() &&
        std::find(def.values.begin(), def.values.end(), *text) == def.values.end()) {
      return Err("{}: attribute {}: expected one of {}, found \"{}\"", op.name, def.name,
                 fmt::join(def.values, ", "), *text);
    }
  }
  for (const auto& attr : attrs) {
    if (std::none_of(op.attrs.begin(), op.attrs.end(),
                     [&](const AttrDef& def) { return def.name == attr.first; })) {
      return Err("{}: unknown attribute {}", op.name, attr.first);
    }
  }
  return {};
}

}  // namespace rw
