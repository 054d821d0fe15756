// A decoder's stages as a pipeline: tokens' texts go in at one end, as they come, and text comes
// out at the other as soon as it is certain.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace rw::tok {

// Takes a row of tokens, each as any number of Text calls and one EndToken, and hands a row of
// tokens to the next stage in the same way. Text is always whole code points.
class DecodeStage {
 public:
  explicit DecodeStage(std::unique_ptr<DecodeStage> next) : next_(std::move(next)) {}
  virtual ~DecodeStage() = default;

  virtual void Text(std::string_view part) = 0;
  virtual void EndToken() = 0;
  // After the last token, once.
  virtual void Finish() { next_->Finish(); }

 protected:
  DecodeStage& next() { return *next_; }

 private:
  std::unique_ptr<DecodeStage> next_;
};

// Puts a stage in front of `next`.
using StageMaker = std::function<std::unique_ptr<DecodeStage>(std::unique_ptr<DecodeStage> next)>;

// The end of a pipeline: appends all text to `out`, with `separator` between tokens.
std::unique_ptr<DecodeStage> MakeTextSink(std::string* out, std::string separator);

}  // namespace rw::tok
