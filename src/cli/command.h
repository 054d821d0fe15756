// One subcommand: its flags and what it does. Each lives in a file of its own.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "base/status.h"

namespace rw {

// What a command returns: its exit code, or an error that Main prints before it exits with 2.
using CommandBody = std::function<Result<int>()>;

// Adds the subcommand with its flags to `app` and returns what to run once they are parsed.
CommandBody AddRunCommand(CLI::App& app);
CommandBody AddTokenizeCommand(CLI::App& app);
CommandBody AddVerifyCommand(CLI::App& app);
CommandBody AddGraphCommand(CLI::App& app);
CommandBody AddPlanCommand(CLI::App& app);
CommandBody AddTuneCommand(CLI::App& app);
CommandBody AddDocsCommand(CLI::App& app);
CommandBody AddBenchCommand(CLI::App& app);

}  // namespace rw
