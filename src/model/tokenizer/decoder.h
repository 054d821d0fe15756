// tokenizer.json's "decoder": how tokens' texts become text again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "model/tokenizer/decode_stage.h"

namespace rw::tok {

class Decoder {
 public:
  // ByteLevel, ByteFallback, Fuse, Metaspace, Replace, Strip or a Sequence of these. Null joins
  // tokens with spaces, as Hugging Face does.
  static Result<Decoder> FromJson(const Json& json);

  // A pipeline that appends to `out`, which must outlive it; the decoder must, too.
  std::unique_ptr<DecodeStage> Start(std::string* out) const;

 private:
  std::vector<StageMaker> stages_;
  bool none_ = false;
};

}  // namespace rw::tok
