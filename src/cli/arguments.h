// vLLM's spellings of compile options, turned into what the command line parser knows.
#pragma once

#include <string>
#include <vector>

namespace rw {

// -cc.KNOB=VALUE, -cc.KNOB VALUE, -cc.KNOB+=ITEM, -cc JSON and the same with --compilation-config
// become --compilation-config ARGUMENT. Everything else stays as it is.
std::vector<std::string> ExpandArguments(int argc, const char* const* argv);

}  // namespace rw
