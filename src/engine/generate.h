// One request from prompt to end, with its text as it comes and how long it took.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "model/tokenizer/tokenizer.h"

namespace rw {

struct Generation {
  std::string text;
  std::vector<Sampled> tokens;  // everything generated, the end-of-sequence token included
  FinishReason finished = FinishReason::kNone;
  int64_t prompt_tokens = 0;
  double prompt_seconds = 0;    // until the first token
  double generate_seconds = 0;  // from then to the end

  double prompt_rate() const;    // tokens/s; 0 if there is none to speak of
  double generate_rate() const;  // of the tokens after the first
};

// Runs the request alone on an idle engine. `show` gets the text piece by piece.
Result<Generation> Generate(Engine& engine, const Tokenizer& tokenizer, Request request,
                            const std::function<void(std::string_view)>& show = {});

}  // namespace rw
