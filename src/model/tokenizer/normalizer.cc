#include "model/tokenizer/normalizer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "model/tokenizer/byte_level.h"
#include "model/tokenizer/fields.h"
#include "model/tokenizer/pattern.h"
#include "model/tokenizer/precompiled.h"
#include "model/tokenizer/unicode.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

using NormalizerPtr = std::unique_ptr<Normalizer>;

class FormNormalizer : public Normalizer {
 public:
  FormNormalizer(NormalForm form, double growth) : form_(form), growth_(growth) {}
  Status Apply(NormalText& text) const override {
    text.text = Normalize(text.text, form_);
    return {};
  }
  double growth() const override { return growth_; }

 private:
  NormalForm form_;
  double growth_;
};

// Growth: Unicode's longest decompositions (UAX #15, "Maximum Expansion Factors").
template <NormalForm form>
Result<NormalizerPtr> ParseForm(const Json&) {
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  return std::make_unique<FormNormalizer>(form, compatible ? 11 : 3);
}

// Replaces or drops single code points.
class CharNormalizer : public Normalizer {
 public:
  // Appends what stands for a code point; nothing drops it.
  using Map = void (*)(char32_t code_point, std::string& out);
  CharNormalizer(Map map, double growth) : map_(map), growth_(growth) {}

  Status Apply(NormalText& text) const override {
    std::string out;
    out.reserve(text.text.size());
    for (size_t i = 0; i < text.text.size();) {
      const CodePoint c = DecodeAt(text.text, i);
      map_(c.value, out);
      i += c.length;
      if (out.empty()) text.at_start = false;
    }
    text.text = std::move(out);
    return {};
  }
  double growth() const override { return growth_; }

 private:
  Map map_;
  double growth_;
};

void DropMarks(char32_t c, std::string& out) {
  if (!IsMark(c)) AppendUtf8(c, out);
}

// SentencePiece's rules for machine translation: control characters go, odd spaces become spaces.
void MapNmt(char32_t c, std::string& out) {
  const bool dropped = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) ||
                       c == 0x7F || c == 0x8F || c == 0x9F;
  if (dropped) return;
  const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == 0xFFFD;
  AppendUtf8(space ? U' ' : c, out);
}

template <CharNormalizer::Map map>
Result<NormalizerPtr> ParseChars(const Json&) {
  return std::make_unique<CharNormalizer>(map, 2);
}

class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}
  Status Apply(NormalText& text) const override {
    if (!text.text.empty()) text.text.insert(0, prefix_);
    return {};
  }
  double growth() const override { return 1 + static_cast<double>(prefix_.size()); }

 private:
  std::string prefix_;
};

Result<NormalizerPtr> ParsePrepend(const Json& json) {
  RW_ASSIGN(const Json prefix, json.Get("prepend"));
  RW_ASSIGN(const std::string_view text, prefix.AsString());
  return std::make_unique<PrependNormalizer>(std::string(text));
}

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  Status Apply(NormalText& text) const override {
    std::vector<Span> matches;
    RW_TRY(PatternScanner(pattern_).FindAll(text.text, matches));
    // Hugging Face holds that content stems from the last character that it replaces.
    if (!matches.empty() && matches[0].begin == 0 && matches[0].end > 0 &&
        (content_.empty() || Utf8Length(text.text[0]) < matches[0].end)) {
      text.at_start = false;
    }
    text.text = ReplaceMatches(text.text, matches, content_);
    return {};
  }
  double growth() const override { return pattern_.Growth(content_); }

 private:
  Pattern pattern_;
  std::string content_;
};

Result<NormalizerPtr> ParseReplace(const Json& json) {
  RW_ASSIGN(const Json pattern, json.Get("pattern"));
  RW_ASSIGN(Pattern what, Pattern::FromJson(pattern));
  RW_ASSIGN(const Json content, json.Get("content"));
  RW_ASSIGN(const std::string_view text, content.AsString());
  return std::make_unique<ReplaceNormalizer>(std::move(what), std::string(text));
}

class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}

  Status Apply(NormalText& text) const override {
    std::string& s = text.text;
    size_t begin = 0, end = s.size();
    while (left_ && begin < end) {
      const CodePoint c = DecodeAt(s, begin);
      if (!IsWhitespace(c.value)) break;
      begin += c.length;
    }
    while (right_ && begin < end) {
      size_t last = end - 1;
      while (!IsBoundary(s, last)) --last;
      if (!IsWhitespace(DecodeAt(s, last).value)) break;
      end = last;
    }
    if (begin > 0) text.at_start = false;
    s = s.substr(begin, end - begin);
    return {};
  }

 private:
  bool left_;
  bool right_;
};

Result<NormalizerPtr> ParseStrip(const Json& json) {
  RW_ASSIGN(const bool left, BoolField(json, "strip_left", true));
  RW_ASSIGN(const bool right, BoolField(json, "strip_right", true));
  return std::make_unique<StripNormalizer>(left, right);
}

class ByteLevelNormalizer : public Normalizer {
 public:
  Status Apply(NormalText& text) const override {
    std::string out;
    out.reserve(text.text.size());
    AppendByteLevel(text.text, out);
    text.text = std::move(out);
    return {};
  }
  double growth() const override { return 2; }
};

Result<NormalizerPtr> ParseByteLevel(const Json&) {
  return std::make_unique<ByteLevelNormalizer>();
}

class PrecompiledNormalizer : public Normalizer {
 public:
  explicit PrecompiledNormalizer(Charsmap map) : map_(std::move(map)) {}
  Status Apply(NormalText& text) const override {
    text.text = map_.Apply(text.text);
    return {};
  }
  double growth() const override { return static_cast<double>(map_.longest_replacement() + 1); }

 private:
  Charsmap map_;
};

Result<NormalizerPtr> ParsePrecompiled(const Json& json) {
  const auto map = json.Find("precompiled_charsmap");
  // A null map is what an "identity" SentencePiece model gives.
  if (map && map->is_null()) return NormalizerPtr();
  RW_ASSIGN(const Json value, json.Get("precompiled_charsmap"));
  RW_ASSIGN(Charsmap charsmap, Charsmap::FromJson(value));
  return std::make_unique<PrecompiledNormalizer>(std::move(charsmap));
}

class SequenceNormalizer : public Normalizer {
 public:
  SequenceNormalizer(std::vector<NormalizerPtr> parts, double growth)
      : parts_(std::move(parts)), growth_(growth) {}
  Status Apply(NormalText& text) const override {
    for (const auto& part : parts_) RW_TRY(part->Apply(text));
    return {};
  }
  double growth() const override { return growth_; }

 private:
  std::vector<NormalizerPtr> parts_;
  double growth_;
};

Result<NormalizerPtr> ParseSequence(const Json& json) {
  RW_ASSIGN(const Json list, json.Get("normalizers"));
  std::vector<NormalizerPtr> parts;
  double growth = 1;
  RW_TRY(list.ForEachElement([&](size_t, Json element) -> Status {
    RW_ASSIGN(NormalizerPtr part, ParseNormalizer(element));
    if (part == nullptr) return {};
    growth *= part->growth();
    parts.push_back(std::move(part));
    return CheckGrowth(growth, list);
  }));
  return std::make_unique<SequenceNormalizer>(std::move(parts), growth);
}

struct Kind {
  std::string_view name;
  Result<NormalizerPtr> (*parse)(const Json&);
};

constexpr Kind kKinds[] = {
    {"NFC", ParseForm<NormalForm::kNfc>},
    {"NFD", ParseForm<NormalForm::kNfd>},
    {"NFKC", ParseForm<NormalForm::kNfkc>},
    {"NFKD", ParseForm<NormalForm::kNfkd>},
    {"Lowercase", ParseChars<AppendLower>},
    {"StripAccents", ParseChars<DropMarks>},
    {"Nmt", ParseChars<MapNmt>},
    {"Prepend", ParsePrepend},
    {"Replace", ParseReplace},
    {"Strip", ParseStrip},
    {"ByteLevel", ParseByteLevel},
    {"Precompiled", ParsePrecompiled},
    {"Sequence", ParseSequence},
};

}  // namespace

Result<NormalizerPtr> ParseNormalizer(const Json& json) {
  if (json.is_null()) return NormalizerPtr();
  RW_ASSIGN(const Kind* kind, PickByName(kKinds, json, "type"));
  RW_ASSIGN(NormalizerPtr normalizer, kind->parse(json));
  if (normalizer != nullptr) RW_TRY(CheckGrowth(normalizer->growth(), json));
  return normalizer;
}

}  // namespace rw::tok
