// tokenizer.json's "normalizer": changes made to text before it is split.
#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "base/status.h"

namespace rw::tok {

struct NormalText {
  std::string text;  // valid UTF-8
  // Whether the first byte stems from the first byte of the input text. Metaspace's "first" asks.
  bool at_start = false;
};

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual Status Apply(NormalText& text) const = 0;
  // By how much it may multiply a text's length.
  virtual double growth() const { return 1; }
};

// One of NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, StripAccents, Nmt, ByteLevel,
// Precompiled and Sequence; null is none.
Result<std::unique_ptr<Normalizer>> ParseNormalizer(const Json& json);

}  // namespace rw::tok
