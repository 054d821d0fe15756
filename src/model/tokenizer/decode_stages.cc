#include "model/tokenizer/decode_stages.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "model/tokenizer/byte_level.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

template <class Stage, class... Args>
StageMaker Maker(Args... args) {
  return [args...](std::unique_ptr<DecodeStage> next) -> std::unique_ptr<DecodeStage> {
    return std::make_unique<Stage>(std::move(next), args...);
  };
}

class TextSink : public DecodeStage {
 public:
  TextSink(std::string* out, std::string separator)
      : DecodeStage(nullptr), out_(out), separator_(std::move(separator)) {}

  void Text(std::string_view part) override {
    BeginToken();
    *out_ += part;
  }
  void EndToken() override {
    BeginToken();
    inside_ = false;
  }
  void Finish() override {}

 private:
  void BeginToken() {
    if (inside_) return;
    if (!first_) *out_ += separator_;
    first_ = false;
    inside_ = true;
  }

  std::string* out_;
  std::string separator_;
  bool first_ = true;
  bool inside_ = false;
};

// A stage that looks at whole tokens.
class TokenStage : public DecodeStage {
 public:
  using DecodeStage::DecodeStage;
  void Text(std::string_view part) final { token_ += part; }
  void EndToken() final {
    Token(token_);
    token_.clear();
  }

 protected:
  virtual void Token(std::string_view token) = 0;
  void Emit(std::string_view token) {
    next().Text(token);
    next().EndToken();
  }

 private:
  std::string token_;
};

class ByteLevel : public TokenStage {
 public:
  using TokenStage::TokenStage;

  void Finish() override {
    if (!bytes_.empty()) next().Text(kReplacementCharacter);  // a code point cut short
    next().EndToken();
    next().Finish();
  }

 protected:
  void Token(std::string_view token) override {
    const size_t before = bytes_.size();
    for (size_t i = 0; i < token.size();) {
      const CodePoint c = DecodeAt(token, i);
      const auto byte = ByteLevelByte(c.value);
      if (!byte) {
        bytes_.resize(before);
        bytes_ += token;
        break;
      }
      bytes_ += *byte;
      i += c.length;
    }
    EmitWhole();
  }

 private:
  // Hands on what is certain; keeps the begin of a code point.
  void EmitWhole() {
    size_t done = 0;
    while (done < bytes_.size()) {
      const std::string_view rest = std::string_view(bytes_).substr(done);
      if (const size_t valid = ValidUtf8Prefix(rest); valid > 0) {
        next().Text(rest.substr(0, valid));
        done += valid;
        continue;
      }
      const Utf8Front front = InspectFront(rest);
      if (front.kind == Utf8Front::Kind::kTruncated) break;
      next().Text(kReplacementCharacter);
      done += front.length;
    }
    bytes_.erase(0, done);
  }

  std::string bytes_;  // between tokens at most three
};

// The byte of a token <0xHH>. Like Rust's number parser, it takes a '+' for the first digit.
std::optional<char> FallbackByte(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return std::nullopt;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  const int high = token[3] == '+' ? 0 : digit(token[3]), low = digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

class ByteFallback : public TokenStage {
 public:
  using TokenStage::TokenStage;

  void Finish() override {
    EmitBytes();
    next().Finish();
  }

 protected:
  void Token(std::string_view token) override {
    if (const auto byte = FallbackByte(token)) {
      bytes_ += *byte;
      return;
    }
    EmitBytes();
    Emit(token);
  }

 private:
  void EmitBytes() {
    if (bytes_.empty()) return;
    if (ValidUtf8Prefix(bytes_) == bytes_.size()) {
      Emit(bytes_);
    } else {
      for (size_t i = 0; i < bytes_.size(); ++i) Emit(kReplacementCharacter);
    }
    bytes_.clear();
  }

  std::string bytes_;
};

class Fuse : public DecodeStage {
 public:
  using DecodeStage::DecodeStage;
  void Text(std::string_view part) override { next().Text(part); }
  void EndToken() override {}
  void Finish() override {
    next().EndToken();
    next().Finish();
  }
};

class Replace : public TokenStage {
 public:
  Replace(std::unique_ptr<DecodeStage> next, std::shared_ptr<const Pattern> pattern,
          std::string content)
      : TokenStage(std::move(next)),
        pattern_(std::move(pattern)),
        content_(std::move(content)),
        scanner_(*pattern_) {}

 protected:
  void Token(std::string_view token) override {
    matches_.clear();
    if (!scanner_.FindAll(token, matches_) || matches_.empty()) return Emit(token);
    Emit(ReplaceMatches(token, matches_, content_));
  }

 private:
  std::shared_ptr<const Pattern> pattern_;
  std::string content_;
  PatternScanner scanner_;
  std::vector<Span> matches_;
};

class Strip : public DecodeStage {
 public:
  Strip(std::unique_ptr<DecodeStage> next, std::string character, uint64_t start, uint64_t stop)
      : DecodeStage(std::move(next)),
        character_(std::move(character)),
        start_(start),
        stop_(stop) {}

  void Text(std::string_view part) override {
    for (size_t i = 0; i < part.size();) {
      const std::string_view c = part.substr(i, Utf8Length(part[i]));
      i += c.size();
      if (c != character_) {
        EmitHeld();
        next().Text(c);
        stripped_ = start_;  // no longer at the front
      } else if (stripped_ < start_) {
        ++stripped_;
      } else if (held_ < stop_) {
        ++held_;
      } else {
        next().Text(c);
      }
    }
  }
  void EndToken() override {
    held_ = 0;
    stripped_ = 0;
    next().EndToken();
  }

 private:
  void EmitHeld() {
    for (; held_ > 0; --held_) next().Text(character_);
  }

  std::string character_;
  uint64_t start_, stop_;
  uint64_t stripped_ = 0;  // characters taken off this token's front
  uint64_t held_ = 0;      // characters that go if the token ends here
};

class Metaspace : public DecodeStage {
 public:
  Metaspace(std::unique_ptr<DecodeStage> next, std::string replacement, bool drop_in_first)
      : DecodeStage(std::move(next)), replacement_(std::move(replacement)), drop_(drop_in_first) {}

  void Text(std::string_view part) override {
    size_t done = 0;
    while (done < part.size()) {
      const size_t at = std::min(part.find(replacement_, done), part.size());
      if (at > done) next().Text(part.substr(done, at - done));
      if (at < part.size() && !drop_) next().Text(" ");
      done = at + replacement_.size();
    }
  }
  void EndToken() override {
    drop_ = false;
    next().EndToken();
  }

 private:
  std::string replacement_;
  bool drop_;
};

}  // namespace

std::unique_ptr<DecodeStage> MakeTextSink(std::string* out, std::string separator) {
  return std::make_unique<TextSink>(out, std::move(separator));
}

StageMaker ByteLevelStage() { return Maker<ByteLevel>(); }
StageMaker ByteFallbackStage() { return Maker<ByteFallback>(); }
StageMaker FuseStage() { return Maker<Fuse>(); }
StageMaker ReplaceStage(Pattern pattern, std::string content) {
  return Maker<Replace>(std::make_shared<const Pattern>(std::move(pattern)), std::move(content));
}
StageMaker StripStage(std::string character, uint64_t start, uint64_t stop) {
  return Maker<Strip>(std::move(character), start, stop);
}
StageMaker MetaspaceStage(std::string replacement, bool drop_in_first) {
  return Maker<Metaspace>(std::move(replacement), drop_in_first);
}

}  // namespace rw::tok
