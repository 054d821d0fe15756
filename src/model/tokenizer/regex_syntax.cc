#include "model/tokenizer/regex_syntax.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "model/tokenizer/regex_sets.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// The bounds of {n}, {n,}, {n,m} or {,m} at the front of `text`.
struct Interval {
  size_t length;      // bytes, with the braces
  std::string pcre2;  // with both braces
  bool fixed;         // {n}
};

std::optional<Interval> ParseInterval(std::string_view text) {
  const size_t close = text.find('}');
  if (text.empty() || text[0] != '{' || close == std::string_view::npos) return std::nullopt;
  const std::string_view inner = text.substr(1, close - 1);
  const size_t comma = inner.find(',');
  const auto digits = [](std::string_view part) {
    return std::all_of(part.begin(), part.end(), IsDigit);
  };
  if (comma == std::string_view::npos) {
    if (inner.empty() || !digits(inner)) return std::nullopt;
    return Interval{close + 1, std::string(text.substr(0, close + 1)), true};
  }
  const std::string_view low = inner.substr(0, comma), high = inner.substr(comma + 1);
  if (!digits(low) || !digits(high) || (low.empty() && high.empty())) return std::nullopt;
  std::string pcre2 = low.empty() ? "{0," : "{" + std::string(low) + ",";
  pcre2 += std::string(high) + "}";
  return Interval{close + 1, std::move(pcre2), false};
}

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view where) : in_(pattern), where_(where) {}

  Result<std::string> Run() {
    constexpr size_t kLongest = 1 << 15;
    if (in_.size() > kLongest) {
      return Err("{}: expected a regular expression of at most {} bytes, found {}", where_,
                 kLongest, in_.size());
    }
    while (at_ < in_.size()) RW_TRY(Step());
    return std::move(out_);
  }

 private:
  tl::unexpected<Error> Unsupported(std::string_view what) const {
    return Err("{}: expected a regular expression without {}, found one at byte {}", where_, what,
               at_);
  }

  char Peek(size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  void Copy(size_t bytes) {
    out_.append(in_.substr(at_, bytes));
    at_ += std::min(bytes, in_.size() - at_);
  }

  Status Step() {
    switch (Peek()) {
      case '\\':
        atom_ = out_.size();
        return Escape(/*in_class=*/false);
      case '[':
        atom_ = out_.size();
        return Class();
      case '(':
        return OpenGroup();
      case ')':
        if (!groups_.empty()) {
          atom_ = groups_.back();
          groups_.pop_back();
        }
        Copy(1);
        return {};
      case '{':
        return Braces();
      case '*':
      case '+':
      case '?':
        Copy(1);
        return {};
      default:
        atom_ = out_.size();
        Copy(Utf8Length(Peek()));
        return {};
    }
  }

  Status Braces() {
    const auto interval = ParseInterval(in_.substr(at_));
    if (!interval) {
      atom_ = out_.size();
      out_ += "\\{";
      ++at_;
      return {};
    }
    at_ += interval->length;
    out_ += interval->pcre2;
    if (Peek() == '+' || (interval->fixed && Peek() == '?')) {
      out_.insert(atom_, "(?:");
      out_ += ')';
    }
    return {};
  }

  Status OpenGroup() {
    if (Peek(1) == '*') return Unsupported("(*");
    groups_.push_back(out_.size());
    if (Peek(1) != '?') {
      Copy(1);
      return {};
    }
    static constexpr std::string_view kPlain[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"};
    for (const std::string_view open : kPlain) {
      if (in_.substr(at_, open.size()) == open) {
        Copy(open.size());
        return {};
      }
    }
    if (Peek(2) == '<') return NamedGroup();
    if (Peek(2) == '#') return Comment();
    return Flags();
  }

  Status NamedGroup() {
    const size_t close = in_.find('>', at_);
    if (close == std::string_view::npos) return Unsupported("an unfinished group name");
    Copy(close + 1 - at_);
    return {};
  }

  Status Comment() {
    const size_t close = in_.find(')', at_);
    if (close == std::string_view::npos) return Unsupported("an unfinished comment");
    groups_.pop_back();
    at_ = close + 1;
    return {};
  }

  Status Flags() {
    const size_t end = in_.find_first_not_of("ims-", at_ + 2);
    if (end == std::string_view::npos || (in_[end] != ':' && in_[end] != ')')) {
      return Unsupported("this kind of group");
    }
    for (; at_ < end; ++at_) out_ += Peek() == 'm' ? 's' : Peek();
    if (Peek() == ')') groups_.pop_back();
    Copy(1);
    return {};
  }

  Status Escape(bool in_class) {
    if (at_ + 1 >= in_.size()) return Unsupported("a backslash at its end");
    const char c = Peek(1);
    if (c == 'K' || c == 'C') return Unsupported("\\K or \\C");
    if (c == 'p' || c == 'P') return Property(in_class);
    if (c == 'u') return HexEscape();
    if ((c == 'b' || c == 'B') && !in_class) return WordBoundary();
    const char lower = c == 'S' || c == 'W' || c == 'H' ? static_cast<char>(c | 0x20) : c;
    if (const CharacterSet set = EscapeSet(lower, in_class); !set.members.empty()) {
      // PCRE2's own \S and \W are near enough where there is no other way to write them.
      if (c != lower && in_class && c != 'H') {
        Copy(2);
        return {};
      }
      RW_TRY(PutSet(set, c != lower, in_class));
      at_ += 2;
      return {};
    }
    const size_t brace = at_ + 2;
    const bool braced = (c == 'x' || c == 'o' || c == 'k' || c == 'g') && Peek(2) == '{';
    const size_t close = braced ? in_.find('}', brace) : std::string_view::npos;
    Copy(close == std::string_view::npos ? 1 + Utf8Length(c) : close + 1 - at_);
    return {};
  }

  Status PutSet(const CharacterSet& set, bool negated, bool in_class) {
    if (!in_class) {
      out_ += negated ? "[^" : "[";
      out_ += set.members;
      out_ += ']';
      return {};
    }
    if (negated && !set.single) return Unsupported("a negated set in a class");
    const size_t begin = out_.size();
    out_ += set.members;
    if (negated) out_[begin + 1] = 'P';
    return {};
  }

  Status WordBoundary() {
    const std::string word = fmt::format("[{}]", EscapeSet('w', /*in_class=*/false).members);
    out_ += Peek(1) == 'b' ? fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word)
                           : fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", word);
    at_ += 2;
    return {};
  }

  Status HexEscape() {
    const std::string_view digits = in_.substr(at_ + 2, 4);
    if (digits.size() != 4 || !std::all_of(digits.begin(), digits.end(), IsHexDigit)) {
      return Unsupported("\\u that lacks four digits");
    }
    out_ += fmt::format("\\x{{{}}}", digits);
    at_ += 6;
    return {};
  }

  Status Property(bool in_class) {
    bool negated = Peek(1) == 'P';
    if (Peek(2) != '{') {  // \pL
      Copy(2);
      return {};
    }
    const size_t close = in_.find('}', at_);
    if (close == std::string_view::npos) return Unsupported("an unfinished \\p{");
    std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    if (!name.empty() && name[0] == '^') {
      negated = !negated;
      name.remove_prefix(1);
    }
    RW_TRY(PutSet(PropertySet(name), negated, in_class));
    at_ = close + 1;
    return {};
  }

  Status Class() {
    Copy(1);
    if (Peek() == '^') Copy(1);
    RW_TRY(ClassMembers(/*depth=*/0));
    out_ += ']';
    return {};
  }

  // Up to the closing bracket, which is passed over.
  Status ClassMembers(int depth) {
    constexpr int kDeepest = 16;
    if (depth > kDeepest) return Unsupported("a deeply nested class");
    if (Peek() == ']') PutLiteral();  // right at the start it stands for itself
    while (at_ < in_.size() && Peek() != ']') {
      if (Peek() == '\\') {
        RW_TRY(Escape(/*in_class=*/true));
      } else if (Peek() == '[') {
        RW_TRY(Peek(1) == ':' ? PosixClass() : NestedClass(depth));
      } else if (Peek() == '&' && Peek(1) == '&') {
        return Unsupported("an intersection of classes (&&)");
      } else if (Peek() == '-' && depth > 0 && Peek(1) == ']') {
        PutLiteral();
      } else {
        Copy(Utf8Length(Peek()));
      }
    }
    if (at_ >= in_.size()) return Unsupported("an unfinished class");
    ++at_;
    return {};
  }

  Status PosixClass() {
    const size_t close = in_.find(":]", at_);
    if (close == std::string_view::npos) return Unsupported("an unfinished [:");
    std::string_view name = in_.substr(at_ + 2, close - at_ - 2);
    const bool negated = !name.empty() && name[0] == '^';
    if (negated) name.remove_prefix(1);
    const CharacterSet set = PosixSet(name);
    if (set.members.empty()) return Unsupported("an unknown [:name:]");
    RW_TRY(PutSet(set, negated, /*in_class=*/true));
    at_ = close + 2;
    return {};
  }

  // Its members become members of the class around it.
  Status NestedClass(int depth) {
    if (Peek(1) == '^') return Unsupported("a negated class in a class");
    ++at_;
    if (Peek() == '-') PutLiteral();
    return ClassMembers(depth + 1);
  }

  // The next character, as itself.
  void PutLiteral() {
    out_ += '\\';
    Copy(1);
  }

  std::string_view in_;
  std::string_view where_;
  size_t at_ = 0;
  std::string out_;
  size_t atom_ = 0;             // where in out_ the last atom begins: what a quantifier repeats
  std::vector<size_t> groups_;  // where in out_ each open group begins
};

}  // namespace

Result<std::string> OnigurumaToPcre2(std::string_view pattern, std::string_view where) {
  return Translator(pattern, where).Run();
}

}  // namespace rw::tok
