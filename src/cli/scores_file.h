// Scores of a text's tokens as a file, by which a later run of other settings is compared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/perplexity.h"

namespace rw {

// JSON: {"model": "...", "context": 512, "stride": 256, "tokens": [...], "nlls": [...]}.
struct TextScores {
  std::string model;  // as the command line named it
  int64_t context = 0;
  int64_t stride = 0;
  std::vector<TokenScore> scores;
};

Status SaveScores(const TextScores& scores, const std::string& path);
Result<TextScores> LoadScores(const std::string& path);

// Whether both score the same tokens in the same windows. `base_path` stands for the base in
// errors.
Status CheckPaired(const TextScores& scores, const TextScores& base, const std::string& base_path);

// The mean of nll - base nll over paired scores, token by token.
Mean MeanDifference(const TextScores& scores, const TextScores& base);

}  // namespace rw
