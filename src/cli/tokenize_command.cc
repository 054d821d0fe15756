// ropewalk tokenize MODEL|tokenizer.json: text to ids, and a check against recorded lines.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "model/model_files.h"

namespace rw {
namespace {

struct Flags {
  std::string tokenizer;
  std::string text;
  std::string check;
  bool omit_special = false;
  bool json = false;
};

Result<std::vector<int32_t>> Ids(const Json& line, std::string_view key) {
  std::vector<int32_t> ids;
  RW_ASSIGN(const Json list, line.Get(key));
  RW_TRY(list.ForEachElement([&](size_t, const Json& value) -> Status {
    RW_ASSIGN(const int64_t id, value.AsInt());
    ids.push_back(static_cast<int32_t>(id));
    return {};
  }));
  return ids;
}

// The fields of one recorded line that come out otherwise, each with a comparison; empty if none.
Result<std::string> Differences(const Tokenizer& tokenizer, const Json& line) {
  RW_ASSIGN(const Json text_json, line.Get("text"));
  RW_ASSIGN(const std::string_view text, text_json.AsString());
  RW_ASSIGN(const std::vector<int32_t> ids, Ids(line, "ids"));
  RW_ASSIGN(const std::vector<int32_t> plain, Ids(line, "ids_no_special"));
  std::string out;
  const auto encoded = [&](std::string_view field, SpecialTokens special,
                           const std::vector<int32_t>& expected) {
    const auto found = tokenizer.Encode(text, special);
    if (found && *found == expected) return;
    out += fmt::format("  {}: expected {}, found {}\n", field, expected,
                       found ? fmt::format("{}", *found) : found.error().message);
  };
  encoded("ids", SpecialTokens::kAdd, ids);
  encoded("ids_no_special", SpecialTokens::kOmit, plain);
  const auto decoded = [&](std::string_view field, const std::vector<int32_t>& from,
                           SkipSpecial skip) -> Status {
    const auto expected = line.Find(field);
    if (!expected) return {};
    RW_ASSIGN(const std::string_view wanted, expected->AsString());
    const std::string found = tokenizer.Decode(from, skip);
    if (found != wanted) {
      out += fmt::format("  {}: expected {:?}, found {:?}\n", field, wanted, found);
    }
    return {};
  };
  RW_TRY(decoded("decoded", plain, SkipSpecial::kNo));
  RW_TRY(decoded("decoded_skip_special", ids, SkipSpecial::kYes));
  return out;
}

Result<int> Check(const Tokenizer& tokenizer, const std::string& path) {
  std::ifstream file(path);
  if (!file) return Err("{}: cannot open", path);
  int passed = 0;
  int failed = 0;
  int number = 0;
  for (std::string text; std::getline(file, text);) {
    ++number;
    if (text.empty()) continue;
    RW_ASSIGN(const JsonDocument document,
              JsonDocument::Parse(text, fmt::format("{}:{}", path, number)));
    RW_ASSIGN(const std::string differences, Differences(tokenizer, document.root()));
    if (!differences.empty() && ++failed <= 10) {
      fmt::print("{}:{}\n{}", path, number, differences);
    }
    if (differences.empty()) ++passed;
  }
  if (passed + failed == 0) return Err("{}: expected lines to check, found none", path);
  fmt::print("{} passed, {} failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

Result<int> Tokenize(const Flags& flags) {
  const std::string& path = flags.tokenizer;
  const bool model = std::filesystem::is_directory(path) || path.ends_with(".gguf");
  RW_ASSIGN(const Tokenizer tokenizer, model ? LoadTokenizer(path) : Tokenizer::Load(path));
  if (!flags.check.empty()) return Check(tokenizer, flags.check);
  std::string text = flags.text;
  if (text.empty()) {
    text.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  const SpecialTokens special = flags.omit_special ? SpecialTokens::kOmit : SpecialTokens::kAdd;
  RW_ASSIGN(const std::vector<int32_t> ids, tokenizer.Encode(text, special));
  if (flags.json) {
    nlohmann::ordered_json tokens = nlohmann::ordered_json::array();
    for (const int32_t id : ids) tokens.push_back({{"id", id}, {"token", tokenizer.TokenText(id)}});
    fmt::print("{}\n", tokens.dump());
    return 0;
  }
  for (const int32_t id : ids) fmt::print("{:>8}  {:?}\n", id, tokenizer.TokenText(id));
  return 0;
}

}  // namespace

CommandBody AddTokenizeCommand(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("tokenize", "Turn text into token ids");
  command->footer(
      "Examples:\n  ropewalk tokenize models/tales-5m --text \"Once upon a time\"\n"
      "  echo -n \"Once upon a time\" | ropewalk tokenize models/tales-5m --json\n"
      "  ropewalk tokenize tests/golden/tokenizers/gpt2.tokenizer.json "
      "--check tests/golden/tokenizers/gpt2.golden.jsonl");
  command->add_option("tokenizer", flags->tokenizer, "Model folder, GGUF file, or a tokenizer.json")
      ->required();
  auto* text = command->add_option("--text", flags->text, "The text; without it, standard input");
  command
      ->add_option("--check", flags->check,
                   "Compare with recorded lines {text, ids, ids_no_special, decoded, "
                   "decoded_skip_special}; exit 1 if any departs")
      ->excludes(text);
  command->add_flag("--no-special-tokens", flags->omit_special,
                    "Leave out the special tokens that the tokenizer adds around a text");
  command->add_flag("--json", flags->json, "Print one JSON array");
  return [flags] { return Tokenize(*flags); };
}

}  // namespace rw
