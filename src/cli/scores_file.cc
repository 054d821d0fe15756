#include "cli/scores_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "bench/results.h"
#include "model/json_fields.h"

namespace rw {
namespace {

constexpr IntRange kSizes = {1, 1 << 30};
constexpr IntRange kTokens = {0, INT32_MAX};
constexpr NumberRange kNlls = {-1e-6, 1e30};  // a probability of 1 may come out a rounding above

}  // namespace

Status SaveScores(const TextScores& scores, const std::string& path) {
  nlohmann::ordered_json json = {{"model", scores.model},
                                 {"context", scores.context},
                                 {"stride", scores.stride},
                                 {"tokens", nlohmann::ordered_json::array()},
                                 {"nlls", nlohmann::ordered_json::array()}};
  for (const TokenScore& score : scores.scores) {
    json["tokens"].push_back(score.token);
    json["nlls"].push_back(score.nll);
  }
  return bench::SaveText(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
                         path);
}

Result<TextScores> LoadScores(const std::string& path) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Load(path));
  const Json root = document.root();
  TextScores scores;
  RW_ASSIGN(const Json model, root.Get("model"));
  RW_ASSIGN(scores.model, model.AsString());
  RW_ASSIGN(const Json context, root.Get("context"));
  RW_ASSIGN(scores.context, ReadInt(context, kSizes));
  RW_ASSIGN(const Json stride, root.Get("stride"));
  RW_ASSIGN(scores.stride, ReadInt(stride, kSizes));
  RW_ASSIGN(const Json tokens, root.Get("tokens"));
  RW_TRY(tokens.ForEachElement([&](size_t, const Json& value) -> Status {
    RW_ASSIGN(const int64_t token, ReadInt(value, kTokens));
    scores.scores.push_back({static_cast<int32_t>(token), 0});
    return {};
  }));
  RW_ASSIGN(const Json nlls, root.Get("nlls"));
  size_t count = 0;
  RW_TRY(nlls.ForEachElement([&](size_t i, const Json& value) -> Status {
    RW_ASSIGN(const double nll, ReadNumber(value, kNlls));
    if (i < scores.scores.size()) scores.scores[i].nll = nll;
    count = i + 1;
    return {};
  }));
  if (count != scores.scores.size() || count == 0) {
    return Err("{}: expected one nll for each of {} tokens, found {}", path, scores.scores.size(),
               count);
  }
  return scores;
}

Status CheckPaired(const TextScores& scores, const TextScores& base, const std::string& base_path) {
  if (scores.context != base.context || scores.stride != base.stride) {
    return Err("{}: expected scores with --context {} --stride {}, found {} and {}", base_path,
               scores.context, scores.stride, base.context, base.stride);
  }
  if (!std::ranges::equal(scores.scores, base.scores, {}, &TokenScore::token, &TokenScore::token)) {
    return Err(
        "{}: expected scores of the same {} tokens, found other ones ({}): another text or "
        "tokenizer",
        base_path, scores.scores.size(), base.scores.size());
  }
  return {};
}

Mean MeanDifference(const TextScores& scores, const TextScores& base) {
  std::vector<double> differences;
  for (size_t i = 0; i < base.scores.size(); ++i) {
    differences.push_back(scores.scores[i].nll - base.scores[i].nll);
  }
  return Mean(differences);
}

}  // namespace rw
