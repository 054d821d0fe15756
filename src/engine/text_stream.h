// Generated tokens as text that may be shown: whole characters, nothing of a stop text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/tokenizer.h"

namespace rw {

class TextStream {
 public:
  // Special tokens do not show. None of `stop` is empty.
  TextStream(const Tokenizer& tokenizer, std::vector<std::string> stop);

  // The text that is final after this token. Text that could be the beginning of a stop text is
  // held back until it is clear.
  std::string Push(int32_t token);
  // The rest of the text, when no more tokens come.
  std::string Finish();

  // A stop text has come; everything before it was returned, and what follows is dropped.
  bool stopped() const { return stopped_; }

 private:
  std::string Take(std::string_view more, bool last);

  StreamDecoder decoder_;
  std::vector<std::string> stop_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace rw
