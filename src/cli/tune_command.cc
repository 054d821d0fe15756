// ropewalk tune RESULT.json ...: rules from measurements.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "base/file.h"
#include "cli/command.h"
#include "cli/rules_folder.h"
#include "plan/evidence_json.h"
#include "plan/tune/tune.h"

namespace rw {
namespace {

struct Flags {
  std::vector<std::string> results;
  std::string rules;
  std::string into;
  bool write = false;
  bool check = false;
};

struct Inputs {
  std::vector<tune::Matrix> matrices;
  std::vector<tune::EndToEnd> runs;
};

Status ReadResult(const std::string& path, Inputs& inputs) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Load(path, size_t{256} << 20));
  const Json root = document.root();
  const auto schema = root.Find("schema");
  if (schema && schema->ScalarText() == tune::kMatrixSchema) {
    RW_ASSIGN(tune::Matrix matrix, tune::MatrixIn(root, path));
    inputs.matrices.push_back(std::move(matrix));
    return {};
  }
  if (schema || !tune::IsEndToEnd(root)) {
    return Err(
        "{}: expected a result of `bench kernels`, `bench fusions --json` or `bench latency --ab "
        "--json`",
        path);
  }
  RW_ASSIGN(const std::vector<tune::EndToEnd> runs, tune::EndToEndIn(root, path));
  inputs.runs.insert(inputs.runs.end(), runs.begin(), runs.end());
  return {};
}

std::string WhereText(const ShapeBounds& where) {
  std::vector<std::string> parts;
  const std::pair<std::string_view, const std::optional<Bounds>*> sizes[] = {
      {"d", &where.d}, {"hq", &where.hq}, {"hk", &where.hk}, {"width", &where.width}};
  for (const auto& [name, bounds] : sizes) {
    if (*bounds) parts.push_back(fmt::format("{} {}", name, ToString(**bounds)));
  }
  if (where.kv_dtype) parts.push_back(fmt::format("kv {}", LongName(*where.kv_dtype)));
  if (where.kv_layout) parts.emplace_back(Name(*where.kv_layout));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string ChoiceText(const EvidenceRow& row) {
  if (row.question.starts_with("custom_ops:")) return row.choice ? "hand-written" : "native";
  return row.choice ? "on" : "off";
}

std::string RowText(const EvidenceRow& row) {
  return fmt::format("{:<38}{:<14}{:<14}{:<18}{:<10}{} {} {}", row.question, ChoiceText(row),
                     ToString(row.tokens), row.margin, row.spread, row.device_name,
                     row.dtype ? LongName(*row.dtype) : "", WhereText(row.where));
}

void Print(const tune::Proposals& proposals) {
  constexpr size_t kMostLeftOut = 40;
  if (!proposals.rows.empty()) {
    fmt::print("{:<38}{:<14}{:<14}{:<18}{:<10}{}\n", "question", "choice", "tokens", "margin",
               "spread", "where");
  }
  for (const EvidenceRow& row : proposals.rows) fmt::print("{}\n", RowText(row));
  fmt::print("{} rules, {} left out\n", proposals.rows.size(), proposals.suppressed.size());
  for (size_t i = 0; i < proposals.suppressed.size(); ++i) {
    if (i == kMostLeftOut) {
      fmt::print("  and {} more\n", proposals.suppressed.size() - i);
      break;
    }
    const auto& [row, why] = proposals.suppressed[i];
    fmt::print("  left out: {} {} in steps of {} tokens, {} {}: {}\n", row.question,
               ChoiceText(row), ToString(row.tokens), row.dtype ? LongName(*row.dtype) : "",
               WhereText(row.where), why);
  }
}

// "nvidia-h200.json" for "NVIDIA H200".
std::string FileNameFor(const EvidenceRow& row) {
  std::string name;
  for (const char c : row.device_name.empty() ? std::string(Name(row.device)) : row.device_name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (plain) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!plain && !name.empty() && name.back() != '-') name += '-';
  }
  return name.substr(0, 80) + ".json";
}

// Another file beside it takes its place at once: whoever stops this leaves the old or the new.
Status Save(const std::string& path, const std::vector<EvidenceRow>& rows) {
  const std::string beside = path + ".new";
  std::ofstream file(beside, std::ios::binary);
  file << EvidenceJson(rows);
  file.close();
  if (!file || std::rename(beside.c_str(), path.c_str()) != 0) {
    return Err("{}: cannot be written", path);
  }
  return {};
}

Status WriteFile(const std::string& path, const std::vector<EvidenceRow>& rows) {
  std::vector<EvidenceRow> old;
  if (std::filesystem::exists(path)) {
    RW_ASSIGN(old, LoadEvidenceFile(path));
  }
  const std::vector<EvidenceRow> all = tune::Replaced(old, rows);
  RW_TRY(Save(path, all));
  fmt::print("{}: {} rules, {} of them new; without this file they no longer count\n", path,
             all.size(), rows.size());
  return {};
}

Status Write(const Flags& flags, const std::vector<EvidenceRow>& rows) {
  if (!flags.into.empty()) return WriteFile(flags.into, rows);
  const std::string folder = RulesFolder(flags.rules);
  if (folder.empty())
    return Err("expected --rules DIR, as neither $ROPEWALK_RULES nor $HOME is set");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Err("{}: {}", folder, error.message());
  std::map<std::string, std::vector<EvidenceRow>> files;
  for (EvidenceRow row : rows) {
    row.result = std::filesystem::absolute(row.result).string();
    files[FileNameFor(row)].push_back(std::move(row));
  }
  for (const auto& [name, of_device] : files) RW_TRY(WriteFile(folder + "/" + name, of_device));
  return {};
}

int PrintStale(const EvidenceTable& table) {
  int found = 0;
  for (const EvidenceRow& row : table.rows()) {
    const std::vector<std::string> changed = ChangedKernels(row);
    if (changed.empty()) continue;
    ++found;
    fmt::print("stale: {} [{}]: {} changed since\n", RowText(row), row.file,
               fmt::join(changed, ", "));
  }
  return found;
}

int PrintShadowed(const EvidenceTable& table) {
  const auto shadowed = tune::ShadowedRows(table);
  for (const EvidenceRow* row : shadowed) {
    fmt::print("shadowed: {} [{}]: another row answers it first\n", RowText(*row), row->file);
  }
  return static_cast<int>(shadowed.size());
}

int PrintWrongPicks(const tune::Matrix& matrix, const Evidence& evidence) {
  const auto wrong = tune::CheckPicks(matrix, evidence);
  for (const tune::WrongPick& pick : wrong) {
    fmt::print("not the fastest: {}, {} tokens: {} takes {} us, {} {} us\n", pick.call, pick.tokens,
               pick.picked, pick.picked_us, pick.fastest, pick.fastest_us);
  }
  return static_cast<int>(wrong.size());
}

Result<int> Check(const Flags& flags, const Inputs& inputs) {
  RW_ASSIGN(const Evidence evidence, LoadEvidence(flags.rules));
  const int stale = PrintStale(*evidence);
  const int shadowed = PrintShadowed(*evidence);
  int wrong = 0;
  for (const tune::Matrix& matrix : inputs.matrices) wrong += PrintWrongPicks(matrix, evidence);
  fmt::print("{} rules: {} stale, {} shadowed, {} picks that are not the fastest\n",
             evidence->rows().size(), stale, shadowed, wrong);
  return stale + shadowed + wrong == 0 ? 0 : 1;
}

Result<int> Tune(const Flags& flags) {
  Inputs inputs;
  for (const std::string& path : flags.results) RW_TRY(ReadResult(path, inputs));
  if (flags.check) return Check(flags, inputs);
  if (inputs.matrices.empty()) return Err("expected a result of `bench kernels`, or --check");
  const tune::Proposals proposals = tune::Propose(inputs.matrices, inputs.runs);
  Print(proposals);
  if (flags.write || !flags.into.empty()) {
    RW_TRY(Write(flags, proposals.rows));
  } else if (!proposals.rows.empty()) {
    fmt::print("--write puts them into {}\n", RulesFolder(flags.rules));
  }
  return 0;
}

}  // namespace

CommandBody AddTuneCommand(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("tune", "Propose defaults from measurements, or check those there are");
  command->footer(
      "Examples:\n"
      "  ropewalk bench kernels --json matrix.json\n"
      "  ropewalk tune matrix.json --write\n"
      "  ropewalk tune matrix.json --check");
  command
      ->add_option("results", flags->results,
                   "Results of `bench kernels`; and of `bench fusions --json` or `bench latency "
                   "--ab --json`, which no rule may contradict")
      ->check(CLI::ExistingFile);
  command->add_option("--rules", flags->rules,
                      "Folder of your own rules [$ROPEWALK_RULES or ~/.config/ropewalk/rules]");
  auto* write = command->add_flag("--write", flags->write,
                                  "Put them into your rules, one file for each device");
  auto* into = command->add_option("--into", flags->into, "Put them into this rules file");
  auto* check = command->add_flag(
      "--check", flags->check,
      "List rules whose kernels have changed, rules that others shadow, and calls in the results "
      "for which a plan takes what is not the fastest; exit code 1 if there are any");
  write->excludes(into)->excludes(check);
  into->excludes(check);
  return [flags] { return Tune(*flags); };
}

}  // namespace rw
