#include "model/tokenizer/pre_tokenizer.h"

#include <utility>

#include "model/tokenizer/byte_level.h"
#include "model/tokenizer/fields.h"
#include "model/tokenizer/metaspace.h"
#include "model/tokenizer/pattern.h"
#include "model/tokenizer/split.h"
#include "model/tokenizer/unicode.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

using PreTokenizerPtr = std::unique_ptr<PreTokenizer>;

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// Words as the regex crate of Rust has them: \w there includes the joiners U+200C and U+200D.
constexpr std::string_view kWordsPattern =
    R"([\w\x{200c}\x{200d}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200c}\x{200d}\s]+)";

std::string_view TextOf(const Pieces& pieces, Span span) {
  return std::string_view(pieces.text).substr(span.begin, span.end - span.begin);
}

// Splits each piece at what find(text, matches) finds in it.
template <class Find>
Status SplitPieces(Pieces& pieces, Splitter splitter, const Find& find) {
  std::vector<Span> spans, matches;
  for (const Span span : pieces.spans) {
    matches.clear();
    RW_TRY(find(TextOf(pieces, span), matches));
    splitter.Split(span.end - span.begin, matches, span.begin, spans);
  }
  pieces.at_start = pieces.at_start && !spans.empty() && spans[0].begin == pieces.spans[0].begin;
  pieces.spans = std::move(spans);
  return {};
}

// Puts append(text of a piece, its index, out) in place of each piece.
template <class Append>
void RewritePieces(Pieces& pieces, const Append& append) {
  std::string out;
  out.reserve(pieces.text.size() + pieces.text.size() / 4);
  for (size_t i = 0; i < pieces.spans.size(); ++i) {
    const auto begin = static_cast<uint32_t>(out.size());
    append(TextOf(pieces, pieces.spans[i]), i, out);
    pieces.spans[i] = {begin, static_cast<uint32_t>(out.size())};
  }
  pieces.text = std::move(out);
}

class PatternSplit : public PreTokenizer {
 public:
  PatternSplit(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  Status Apply(Pieces& pieces) const override {
    PatternScanner scanner(pattern_);
    return SplitPieces(pieces, Splitter(behavior_, invert_),
                       [&](std::string_view text, std::vector<Span>& matches) {
                         return scanner.FindAll(text, matches);
                       });
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

Result<PreTokenizerPtr> ParseSplit(const Json& json) {
  RW_ASSIGN(const Json pattern, json.Get("pattern"));
  RW_ASSIGN(Pattern what, Pattern::FromJson(pattern));
  RW_ASSIGN(const SplitBehavior behavior, ParseSplitBehavior(json, "behavior"));
  RW_ASSIGN(const bool invert, BoolField(json, "invert", false));
  return std::make_unique<PatternSplit>(std::move(what), behavior, invert);
}

Result<PreTokenizerPtr> ParseWhitespace(const Json& json) {
  RW_ASSIGN(Regex words, Regex::Compile(kWordsPattern, json.where()));
  return std::make_unique<PatternSplit>(Pattern(std::move(words)), SplitBehavior::kRemoved,
                                        /*invert=*/true);
}

// Splits at single characters of a kind.
class CharSplit : public PreTokenizer {
 public:
  using Predicate = bool (*)(char32_t);
  CharSplit(Predicate predicate, SplitBehavior behavior)
      : predicate_(predicate), behavior_(behavior) {}

  Status Apply(Pieces& pieces) const override {
    return SplitPieces(
        pieces, Splitter(behavior_, /*invert=*/false),
        [&](std::string_view text, std::vector<Span>& matches) -> Status {
          for (size_t i = 0; i < text.size();) {
            const CodePoint c = DecodeAt(text, i);
            const size_t end = i + c.length;
            if (predicate_(c.value)) {
              matches.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(end)});
            }
            i = end;
          }
          return {};
        });
  }

 private:
  Predicate predicate_;
  SplitBehavior behavior_;
};

Result<PreTokenizerPtr> ParseDigits(const Json& json) {
  RW_ASSIGN(const bool individual, BoolField(json, "individual_digits", false));
  return std::make_unique<CharSplit>(
      IsNumeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

Result<PreTokenizerPtr> ParsePunctuation(const Json& json) {
  SplitBehavior behavior = SplitBehavior::kIsolated;
  if (json.Find("behavior")) {
    RW_ASSIGN(behavior, ParseSplitBehavior(json, "behavior"));
  }
  return std::make_unique<CharSplit>(IsPunctuation, behavior);
}

Result<PreTokenizerPtr> ParseWhitespaceSplit(const Json&) {
  return std::make_unique<CharSplit>(IsWhitespace, SplitBehavior::kRemoved);
}

class ByteLevel : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, std::unique_ptr<PatternSplit> split)
      : add_prefix_space_(add_prefix_space), split_(std::move(split)) {}

  Status Apply(Pieces& pieces) const override {
    if (add_prefix_space_) {
      RewritePieces(pieces, [](std::string_view text, size_t, std::string& out) {
        if (text[0] != ' ') out += ' ';
        out += text;
      });
    }
    if (split_ != nullptr) RW_TRY(split_->Apply(pieces));
    RewritePieces(pieces, [](std::string_view text, size_t, std::string& out) {
      AppendByteLevel(text, out);
    });
    return {};
  }
  double growth() const override { return add_prefix_space_ ? 4 : 2; }

 private:
  bool add_prefix_space_;
  std::unique_ptr<PatternSplit> split_;  // or null
};

Result<PreTokenizerPtr> ParseByteLevel(const Json& json) {
  RW_ASSIGN(const bool add_prefix_space, BoolField(json, "add_prefix_space", true));
  RW_ASSIGN(const bool use_regex, BoolField(json, "use_regex", true));
  std::unique_ptr<PatternSplit> split;
  if (use_regex) {
    RW_ASSIGN(Regex regex, Regex::Compile(kGpt2Pattern, json.where()));
    split = std::make_unique<PatternSplit>(Pattern(std::move(regex)), SplitBehavior::kIsolated,
                                           /*invert=*/false);
  }
  return std::make_unique<ByteLevel>(add_prefix_space, std::move(split));
}

class Metaspace : public PreTokenizer {
 public:
  explicit Metaspace(MetaspaceFields fields) : fields_(std::move(fields)) {}

  Status Apply(Pieces& pieces) const override {
    RewritePieces(pieces, [&](std::string_view text, size_t index, std::string& out) {
      const bool wanted =
          fields_.prepend == MetaspaceFields::Prepend::kAlways ||
          (fields_.prepend == MetaspaceFields::Prepend::kFirst && index == 0 && pieces.at_start);
      const std::string& mark = fields_.replacement;
      if (wanted && text[0] != ' ' && text.substr(0, mark.size()) != mark) out += mark;
      for (const char c : text) {
        if (c == ' ') {
          out += mark;
        } else {
          out += c;
        }
      }
    });
    if (!fields_.split) return {};
    return SplitPieces(pieces, Splitter(SplitBehavior::kMergedWithNext, /*invert=*/false),
                       [&](std::string_view text, std::vector<Span>& matches) -> Status {
                         const auto size = static_cast<uint32_t>(fields_.replacement.size());
                         size_t at = text.find(fields_.replacement);
                         while (at != std::string_view::npos) {
                           const auto begin = static_cast<uint32_t>(at);
                           matches.push_back({begin, begin + size});
                           at = text.find(fields_.replacement, begin + size);
                         }
                         return {};
                       });
  }
  double growth() const override { return 2 * static_cast<double>(fields_.replacement.size()); }

 private:
  MetaspaceFields fields_;
};

Result<PreTokenizerPtr> ParseMetaspace(const Json& json) {
  RW_ASSIGN(MetaspaceFields fields, ParseMetaspaceFields(json));
  return std::make_unique<Metaspace>(std::move(fields));
}

class Sequence : public PreTokenizer {
 public:
  Sequence(std::vector<PreTokenizerPtr> parts, double growth)
      : parts_(std::move(parts)), growth_(growth) {}
  Status Apply(Pieces& pieces) const override {
    for (const auto& part : parts_) RW_TRY(part->Apply(pieces));
    return {};
  }
  double growth() const override { return growth_; }

 private:
  std::vector<PreTokenizerPtr> parts_;
  double growth_;
};

Result<PreTokenizerPtr> ParseSequence(const Json& json) {
  RW_ASSIGN(const Json list, json.Get("pretokenizers"));
  std::vector<PreTokenizerPtr> parts;
  double growth = 1;
  RW_TRY(list.ForEachElement([&](size_t, Json element) -> Status {
    RW_ASSIGN(PreTokenizerPtr part, ParsePreTokenizer(element));
    if (part == nullptr) return {};
    growth *= part->growth();
    parts.push_back(std::move(part));
    return CheckGrowth(growth, list);
  }));
  return std::make_unique<Sequence>(std::move(parts), growth);
}

struct Kind {
  std::string_view name;
  Result<PreTokenizerPtr> (*parse)(const Json&);
};

constexpr Kind kKinds[] = {
    {"ByteLevel", ParseByteLevel},
    {"Metaspace", ParseMetaspace},
    {"Split", ParseSplit},
    {"Digits", ParseDigits},
    {"Punctuation", ParsePunctuation},
    {"Whitespace", ParseWhitespace},
    {"WhitespaceSplit", ParseWhitespaceSplit},
    {"Sequence", ParseSequence},
};

}  // namespace

Result<PreTokenizerPtr> ParsePreTokenizer(const Json& json) {
  if (json.is_null()) return PreTokenizerPtr();
  RW_ASSIGN(const Kind* kind, PickByName(kKinds, json, "type"));
  return kind->parse(json);
}

}  // namespace rw::tok
