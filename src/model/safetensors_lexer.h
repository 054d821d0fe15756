// The few JSON tokens a safetensors header is made of: punctuation, strings, whole numbers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rw {

// A name from outside, quoted for a message: one short line whatever it holds.
std::string QuoteName(std::string_view name);

// "[2, 3]"
template <class Numbers>
std::string ListText(const Numbers& numbers) {
  std::string text = "[";
  for (const auto number : numbers) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(number);
  }
  return text + "]";
}

class SafetensorsLexer {
 public:
  // `header` begins at byte 8 of the file that `where` names.
  SafetensorsLexer(std::string_view header, const std::string& where)
      : start_(header.data()), at_(start_), end_(start_ + header.size()), where_(where) {}

  Status Expect(char token);
  Status ExpectEnd();

  // At the next item of an object or array: true. At `close`, which is taken: false. Takes the
  // comma before every item but the first.
  Result<bool> NextItem(char close, bool first);

  // A string in UTF-8. `out` may be nullptr.
  Status ReadString(std::string* out);
  // Digits only: no sign, no fraction, no exponent.
  Result<size_t> ReadNumber();

  // "<where>: header, file offset <n>: [tensor "<name>": ]expected <wanted>".
  tl::unexpected<Error> Fail(std::string_view wanted) const;
  // The tensor that the text at hand is about, for messages; nullptr for none. Must outlive its
  // use.
  void set_tensor(const std::string* name) { tensor_ = name; }

 private:
  tl::unexpected<Error> FailHere(std::string_view wanted) const;  // adds what is found
  void SkipSpace();
  bool SkipUtf8Sequence();
  Status ReadEscape(std::string* out);
  Result<unsigned> ReadHex4();

  const char* start_;
  const char* at_;
  const char* end_;
  const std::string& where_;
  const std::string* tensor_ = nullptr;
};

}  // namespace rw
