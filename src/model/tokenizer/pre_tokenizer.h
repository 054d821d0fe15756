// tokenizer.json's "pre_tokenizer": cuts normalised text into the pieces that the model tokenizes
// one by one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "model/tokenizer/regex.h"

namespace rw::tok {

struct Pieces {
  std::string text;         // valid UTF-8, less than 4 GiB
  std::vector<Span> spans;  // in order; none is empty; what no span holds is dropped
  bool at_start = false;    // whether the first piece starts where the input text does
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual Status Apply(Pieces& pieces) const = 0;
  // By how much it may multiply a text's length.
  virtual double growth() const { return 1; }
};

// One of ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit and
// Sequence; null is none.
Result<std::unique_ptr<PreTokenizer>> ParsePreTokenizer(const Json& json);

}  // namespace rw::tok
