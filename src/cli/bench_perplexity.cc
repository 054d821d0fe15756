// ropewalk bench perplexity MODEL --text FILE: how well the model foresees a text, for judging what
// quantization or another dtype costs.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/file.h"
#include "cli/bench.h"
#include "cli/progress.h"
#include "cli/scores_file.h"
#include "engine/perplexity.h"
#include "model/model_files.h"

namespace rw {
namespace {

constexpr int64_t kContext = 512;

struct Flags {
  ModelFlags model;
  std::string text;
  std::optional<int64_t> context;
  std::optional<int64_t> stride;
  std::string save_scores;
  std::string against;
  std::string format = "text";
};

struct Report {
  TextScores scores;
  size_t windows = 0;
  int64_t computed = 0;  // tokens that went through the model
  double seconds = 0;
  std::optional<Mean> difference;  // to --against
};

Status ResolveWindows(const Flags& flags, const ModelConfig& config, TextScores& scores) {
  const int64_t most = config.max_position_embeddings;
  scores.context = flags.context.value_or(std::min(kContext, most));
  if (scores.context < 2 || scores.context > most) {
    return Err("--context: expected 2 to {} tokens, which the model takes, found {}", most,
               scores.context);
  }
  scores.stride = flags.stride.value_or(std::max<int64_t>(scores.context / 2, 1));
  if (scores.stride < 1 || scores.stride > scores.context) {
    return Err("--stride: expected 1 to the {} tokens of --context, found {}", scores.context,
               scores.stride);
  }
  return {};
}

Result<std::vector<int32_t>> ReadTokens(const Flags& flags, const ModelConfig& config) {
  RW_ASSIGN(const Tokenizer tokenizer, LoadTokenizer(flags.model.model));
  RW_ASSIGN(const std::string text, ReadFile(flags.text));
  auto tokens = tokenizer.Encode(text, SpecialTokens::kAdd);
  if (!tokens) return Err("{}: {}", flags.text, tokens.error().message);
  if (text.empty() || tokens->size() < 2) {
    return Err("{}: expected a text of at least 2 tokens, found {} bytes", flags.text, text.size());
  }
  const int32_t largest = *std::ranges::max_element(*tokens);
  if (largest >= config.vocab_size) {
    return Err("{}: expected tokens below the vocab_size {} of config.json, the tokenizer gives {}",
               flags.text, config.vocab_size, largest);
  }
  return *std::move(tokens);
}

std::vector<double> Nlls(const TextScores& scores) {
  std::vector<double> nlls;
  for (const TokenScore& score : scores.scores) nlls.push_back(score.nll);
  return nlls;
}

// Percent that the perplexity is above the other's.
ExpMean Percent(const Mean& difference) {
  ExpMean ratio(difference);
  ratio.value = 100 * (ratio.value - 1);
  ratio.error *= 100;
  return ratio;
}

void PrintJson(const Flags& flags, const ModelRunner& model, int threads, const Report& report) {
  const Mean nll(Nlls(report.scores));
  const ExpMean perplexity(nll);
  nlohmann::ordered_json json = {
      {"model", flags.model.model},
      {"text", flags.text},
      {"device", model.device().name()},
      {"dtype", Name(model.options().dtype)},
      {"threads", threads},
      {"context", report.scores.context},
      {"stride", report.scores.stride},
      {"windows", report.windows},
      {"tokens_scored", report.scores.scores.size()},
      {"perplexity", {{"value", perplexity.value}, {"standard_error", perplexity.error}}},
      {"nll", {{"mean", nll.mean}, {"standard_error", nll.error}}},
      {"seconds", report.seconds},
      {"tokens_per_s", static_cast<double>(report.computed) / report.seconds}};
  if (report.difference) {
    const ExpMean percent = Percent(*report.difference);
    json["against"] = {
        {"file", flags.against},
        {"nll", {{"mean", report.difference->mean}, {"standard_error", report.difference->error}}},
        {"perplexity_percent", {{"value", percent.value}, {"standard_error", percent.error}}}};
  }
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void PrintMarkdown(const Flags& flags, const ModelRunner& model, const Report& report) {
  const Mean nll(Nlls(report.scores));
  const ExpMean perplexity(nll);
  fmt::print("| model | dtype | text | tokens | context, stride | perplexity | nll |{}\n",
             report.difference ? " against | perplexity | nll |" : "");
  fmt::print("|---|---|---|---|---|---|---|{}\n", report.difference ? "---|---|---|" : "");
  fmt::print("| {} | {} | {} | {} | {}, {} | {:.4f} ± {:.4f} | {:.5f} ± {:.5f} |",
             flags.model.model, Name(model.options().dtype), flags.text,
             report.scores.scores.size(), report.scores.context, report.scores.stride,
             perplexity.value, perplexity.error, nll.mean, nll.error);
  if (report.difference) {
    const ExpMean percent = Percent(*report.difference);
    fmt::print(" {} | {:+.3f} % ± {:.3f} % | {:+.6f} ± {:.6f} |", flags.against, percent.value,
               percent.error, report.difference->mean, report.difference->error);
  }
  fmt::print("\n");
}

void PrintText(const Flags& flags, const Report& report) {
  const Mean nll(Nlls(report.scores));
  const ExpMean perplexity(nll);
  fmt::print("{} tokens scored in {} windows of {}, one every {}\n", report.scores.scores.size(),
             report.windows, report.scores.context, report.scores.stride);
  fmt::print("perplexity  {:10.4f} ± {:.4f}\n", perplexity.value, perplexity.error);
  fmt::print("nll         {:10.5f} ± {:.5f}  nats a token\n", nll.mean, nll.error);
  if (report.difference) {
    const ExpMean percent = Percent(*report.difference);
    fmt::print("against     {}\n", flags.against);
    fmt::print("perplexity  {:+10.3f} ± {:.3f}  percent, paired token by token\n", percent.value,
               percent.error);
    fmt::print("nll         {:+10.6f} ± {:.6f}\n", report.difference->mean,
               report.difference->error);
  }
  fmt::print("{} tokens read in {:.2f} s, {:.1f} tokens/s\n", report.computed, report.seconds,
             static_cast<double>(report.computed) / report.seconds);
}

Result<int> BenchPerplexity(const Flags& flags) {
  Report report;
  RW_ASSIGN(const ModelConfig config, LoadConfig(flags.model.model));
  report.scores.model = flags.model.model;
  RW_TRY(ResolveWindows(flags, config, report.scores));
  RW_ASSIGN(const std::vector<int32_t> tokens, ReadTokens(flags, config));
  const std::vector<TextWindow> windows =
      CutWindows(static_cast<int64_t>(tokens.size()), report.scores.context, report.scores.stride);
  report.windows = windows.size();
  report.scores.scores = ScoredTokens(tokens, windows);
  for (const TextWindow& window : windows) report.computed += window.end - window.begin - 1;
  std::optional<TextScores> base;
  if (!flags.against.empty()) {
    RW_ASSIGN(base, LoadScores(flags.against));
    RW_TRY(CheckPaired(report.scores, *base, flags.against));
  }

  RW_ASSIGN(ModelOptions options, flags.model.ModelOnDevice(config.dtype));
  options = ScoringOptions(std::move(options), config, report.scores.context);
  ThreadPool pool(flags.model.Threads());
  RW_ASSIGN(ModelRunner model, LoadModel(flags.model, config, options, pool));
  ProgressBar bar("scoring " + flags.text, ProgressBar::Unit::kCount);
  const auto start = BenchClock::now();
  RW_TRY(ScoreTokens(model, tokens, windows, report.scores.scores, pool,
                     [&](uint64_t done, uint64_t total) { bar.Update(done, total); }));
  report.seconds = SecondsSince(start);
  bar.Finish(fmt::format("{} tokens", report.scores.scores.size()));
  if (base) report.difference = MeanDifference(report.scores, *base);
  if (!flags.save_scores.empty()) RW_TRY(SaveScores(report.scores, flags.save_scores));
  if (flags.format == "json") {
    PrintJson(flags, model, pool.threads(), report);
  } else if (flags.format == "markdown") {
    PrintMarkdown(flags, model, report);
  } else {
    PrintText(flags, report);
  }
  return 0;
}

}  // namespace

CommandBody AddPerplexityBench(CLI::App& bench) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      bench.add_subcommand("perplexity", "How well the model foresees a text, with its error");
  command->footer(
      "A window of --context tokens begins every --stride tokens and scores what none before it\n"
      "scored, as transformers' strided perplexity does. Errors are standard errors that take\n"
      "tokens as independent.\n"
      "Examples:\n"
      "  ropewalk bench perplexity models/tales-5m --text models/tales-5m/heldout.txt\n"
      "  ropewalk bench perplexity models/tales-5m --text models/tales-5m/heldout.txt "
      "--save-scores f32.json\n"
      "  ropewalk bench perplexity models/tales-5m --text models/tales-5m/heldout.txt "
      "--dtype bfloat16 --against f32.json");
  flags->model.AddModel(*command);
  flags->model.AddKernels(*command);
  flags->model.AddQuantization(*command);
  flags->model.AddPlan(*command);
  command->add_option("--text", flags->text, "The text, a UTF-8 file")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option(
      "--context", flags->context,
      fmt::format("Tokens of a window ({}, or what the model takes if that is less)", kContext));
  command->add_option("--stride", flags->stride,
                      "Tokens from one window to the next (half of --context)");
  command
      ->add_option("--save-scores", flags->save_scores, "Keep each token's nll in this JSON file")
      ->type_name("FILE");
  command
      ->add_option("--against", flags->against,
                   "Compare token by token with a file that --save-scores wrote; the error of the "
                   "difference is far smaller than that of each perplexity")
      ->check(CLI::ExistingFile);
  command->add_option("--format", flags->format, "text, markdown (a table) or json")
      ->check(CLI::IsMember({"text", "markdown", "json"}))
      ->capture_default_str();
  return [flags] { return BenchPerplexity(*flags); };
}

}  // namespace rw
