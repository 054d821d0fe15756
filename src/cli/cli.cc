#include "cli/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cli/command.h"

namespace rw {
namespace {

// An error is one line, whatever a file name or a token in it holds.
std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 32; }, ' ');
  return text;
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
  CLI::App app{kDescription, "ropewalk"};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", "ropewalk " RW_VERSION);
  using Adder = CommandBody (*)(CLI::App&);
  constexpr Adder kAdders[] = {AddRunCommand, AddTokenizeCommand, AddVerifyCommand, AddGraphCommand,
                               AddBenchCommand};
  std::vector<CommandBody> bodies;
  for (const Adder add : kAdders) bodies.push_back(add(app));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    fmt::print(stderr, "ropewalk: {}\n", OneLine(error.what()));
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
