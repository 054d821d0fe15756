// ropewalk docs DIR: writes the pages that are generated from the plan's tables.
#include <fmt/format.h>

#include <fstream>
#include <memory>

#include "cli/command.h"
#include "plan/docs.h"

namespace rw {

CommandBody AddDocsCommand(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("docs", "Write the pages on levels, fusions, ops and departures");
  command->add_option("folder", *folder, "Where to write them")
      ->required()
      ->check(CLI::ExistingDirectory);
  return [folder]() -> Result<int> {
    for (const DocPage& page : DocPages()) {
      const std::string path = *folder + "/" + page.file;
      std::ofstream file(path, std::ios::binary);
      file << page.text;
      if (!file.flush()) return Err("{}: cannot be written", path);
      fmt::print("{}\n", path);
    }
    return 0;
  };
}

}  // namespace rw
