#include "cli/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/fault.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "cli/command.h"

namespace rw {
namespace {

// An error is one line, whatever a file name or a token in it holds.
std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 32; }, ' ');
  return text;
}

// The subcommand that `word` was probably meant to be, or nothing.
std::string NearestCommand(const CLI::App& app, const std::string& word) {
  std::string best;
  size_t least = 3;  // more edits than that are another word
  for (const CLI::App* command : app.get_subcommands({})) {
    const size_t distance = EditDistance(word, command->get_name());
    if (distance < least) least = distance, best = command->get_name();
  }
  return best;
}

// ", did you mean --prompt?" for the first word that looks like a flag and is none of the
// command's.
std::string NearestFlag(const CLI::App& command, int argc, char** argv) {
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (int i = 1; i < argc && !known.empty(); ++i) {
    const std::string_view argument = argv[i];
    const std::string word(argument.substr(0, argument.find('=')));
    if (!word.starts_with("--") || std::ranges::find(known, word) != known.end()) continue;
    const std::string& nearest = known[Nearest(word, known)];
    if (EditDistance(word, nearest) < 4) return fmt::format(", did you mean {}?", nearest);
  }
  return "";
}

// What is wrong with the command line, in one line.
std::string Explain(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  const auto commands = app.get_subcommands({});
  const bool known = std::any_of(commands.begin(), commands.end(), [&](const CLI::App* command) {
    return command->get_name() == word;
  });
  if (known) {
    const bool extra = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
    return error.what() + (extra ? NearestFlag(*app.get_subcommand(word), argc, argv) : "");
  }
  if (word.empty() || word[0] == '-') return error.what();
  std::string names;
  for (const CLI::App* command : commands)
    names += (names.empty() ? "" : ", ") + command->get_name();
  const std::string nearest = NearestCommand(app, word);
  return fmt::format("unknown command \"{}\"{}; expected one of {}", word,
                     nearest.empty() ? "" : fmt::format(", did you mean {}?", nearest), names);
}

constexpr const char* kDescription =
    "Ropewalk runs language models from Hugging Face folders: one binary, no Python.";
constexpr const char* kFooter =
    "Examples:\n"
    "  ropewalk run models/tales-5m --prompt \"Once upon a time\"\n"
    "  ropewalk graph models/tales-5m --format dot | dot -Tsvg > graph.svg\n"
    "  ropewalk COMMAND --help";

}  // namespace

int Main(int argc, char** argv) {
  InstallMappedFileFaultHandler();
  CLI::App app{kDescription, "ropewalk"};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", "ropewalk " RW_VERSION);
  using Adder = CommandBody (*)(CLI::App&);
  constexpr Adder kAdders[] = {AddRunCommand,   AddTokenizeCommand, AddVerifyCommand,
                               AddGraphCommand, AddPlanCommand,     AddTuneCommand,
                               AddDocsCommand,  AddBenchCommand};
  std::vector<CommandBody> bodies;
  for (const Adder add : kAdders) bodies.push_back(add(app));
  try {
    std::vector<std::string> arguments = ExpandArguments(argc, argv);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    fmt::print(stderr, "ropewalk: {}\n", OneLine(Explain(app, error, argc, argv)));
    return 2;
  }
  const std::vector<CLI::App*> commands = app.get_subcommands({});
  for (size_t i = 0; i < bodies.size(); ++i) {
    if (!commands[i]->parsed()) continue;
    const Result<int> result = bodies[i]();
    if (result) return *result;
    fmt::print(stderr, "ropewalk: {}\n", OneLine(result.error().message));
    return 2;
  }
  return 2;
}

}  // namespace rw
