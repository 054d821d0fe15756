// An op's signature, read at compile time from the line that a person reads:
//
//   "(x: T[n,k], w: W[m,k], b?: B[m]) -> (y: T[n,m])"
//
// An upper-case dtype is a variable, the same wherever it stands; lower-case is that dtype; `kv` is
// a KV cache: as an operand the op reads it, as a result the op writes it, so order is data flow.
// A dim is a variable, a number, a product of two variables ("h*d"), or a leading "*" for any dims.
// "?" marks an operand that may be left out; such operands come last.
// A typo does not compile.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rw {

struct OperandPattern {
  std::string_view name;
  std::string_view dtype;  // "T", "f32", "kv"
  bool optional = false;
  int rank = 0;
  std::array<std::string_view, 4> dims{};

  constexpr bool is_kv() const { return dtype == "kv"; }
};

struct Signature {
  static constexpr int kMaxOperands = 12;

  std::array<OperandPattern, kMaxOperands> in{};
  std::array<OperandPattern, kMaxOperands> out{};
  int num_in = 0;
  int num_out = 0;
  std::string_view text;

  consteval Signature(const char* line) : text(line) {  // NOLINT: a signature reads as a literal
    const size_t arrow = text.find(" -> ");
    if (arrow == std::string_view::npos) throw "a signature is '(operands) -> (results)'";
    num_in = ParseList(text.substr(0, arrow), in);
    num_out = ParseList(text.substr(arrow + 4), out);
    for (int i = 1; i < num_in; ++i) {
      if (in[i - 1].optional && !in[i].optional) throw "optional operands come last";
    }
  }

  constexpr int required() const {
    int count = 0;
    while (count < num_in && !in[count].optional) ++count;
    return count;
  }

 private:
  static constexpr bool IsName(std::string_view s) {
    if (s.empty()) return false;
    for (const char c : s) {
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
        return false;
    }
    return true;
  }

  static constexpr bool IsDType(std::string_view s) {
    if (s == "f32" || s == "f16" || s == "bf16" || s == "i32" || s == "kv") return true;
    return IsName(s) && s[0] >= 'A' && s[0] <= 'Z';
  }

  static constexpr std::string_view Trim(std::string_view s) {
    while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
    while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
    return s;
  }

  static consteval int ParseList(std::string_view s,
                                 std::array<OperandPattern, kMaxOperands>& patterns) {
    s = Trim(s);
    if (s.size() < 2 || s.front() != '(' || s.back() != ')') throw "expected '(...)'";
    s = s.substr(1, s.size() - 2);
    int count = 0;
    while (!s.empty()) {
      const size_t close = s.find(']');
      if (close == std::string_view::npos) throw "expected 'name: dtype[dims]'";
      if (count == kMaxOperands) throw "too many operands";
      patterns[count++] = ParseOperand(Trim(s.substr(0, close)));
      s = Trim(s.substr(close + 1));
      if (!s.empty()) {
        if (s.front() != ',') throw "expected ',' between operands";
        s = Trim(s.substr(1));
      }
    }
    return count;
  }

  // "b?: B[m" without its bracket.
  static consteval OperandPattern ParseOperand(std::string_view s) {
    OperandPattern pattern;
    const size_t colon = s.find(':');
    const size_t open = s.find('[');
    if (colon == std::string_view::npos || open == std::string_view::npos || open < colon)
      throw "expected 'name: dtype[dims]'";
    pattern.name = Trim(s.substr(0, colon));
    if (!pattern.name.empty() && pattern.name.back() == '?') {
      pattern.optional = true;
      pattern.name.remove_suffix(1);
    }
    pattern.dtype = Trim(s.substr(colon + 1, open - colon - 1));
    if (!IsName(pattern.name)) throw "an operand needs a name";
    if (!IsDType(pattern.dtype)) throw "unknown dtype";
    std::string_view dims = s.substr(open + 1);
    while (!dims.empty()) {
      const size_t comma = dims.find(',');
      if (pattern.rank == 4) throw "at most four dims";
      pattern.dims[pattern.rank++] = Trim(dims.substr(0, comma));
      dims = comma == std::string_view::npos ? std::string_view{} : dims.substr(comma + 1);
    }
    for (int i = 0; i < pattern.rank; ++i) CheckDim(pattern.dims[i], i);
    return pattern;
  }

  static consteval void CheckDim(std::string_view dim, int index) {
    if (dim == "*") {
      if (index != 0) throw "'*' stands for leading dims only";
      return;
    }
    const size_t star = dim.find('*');
    const bool ok = star == std::string_view::npos
                        ? IsName(dim)
                        : IsName(dim.substr(0, star)) && IsName(dim.substr(star + 1));
    if (!ok) throw "a dim is a name, a number or a product of two names";
  }
};

}  // namespace rw
