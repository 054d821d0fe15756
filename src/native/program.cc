#include "native/program.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace rw::native {
namespace {

constexpr std::array<std::string_view, 15> kCodeNames = {
    "load", "number",    "add",   "sub",         "mul",         "div",   "tanh",       "silu",
    "gelu", "gelu_tanh", "round", "sum_squares", "norm_factor", "store", "store_cache"};
constexpr std::array<std::string_view, 5> kRowsNames = {"own", "shared", "picked", "keys",
                                                        "values"};

std::string PrintPlace(const Instr& instr) {
  std::string text = instr.code == Code::kLoad    ? fmt::format(" in{}", instr.port)
                     : instr.code == Code::kStore ? fmt::format(" out{}", instr.port)
                                                  : "";
  text += fmt::format(" {}", kRowsNames[static_cast<size_t>(instr.rows)]);
  if (instr.picker >= 0) text += fmt::format(" by in{}", instr.picker);
  text += fmt::format(" [{}:{}:{}]", instr.at.begin, instr.at.length, instr.at.stride);
  return text;
}

std::string PrintInstr(size_t index, const Instr& instr) {
  std::string text = fmt::format("  %{} = {}", index, kCodeNames[static_cast<size_t>(instr.code)]);
  for (const int arg : instr.args) text += fmt::format(" %{}", arg);
  const bool places =
      instr.code == Code::kLoad || instr.code == Code::kStore || instr.code == Code::kStoreCache;
  if (places) text += PrintPlace(instr);
  const bool numbered = instr.code == Code::kNumber || instr.code == Code::kNormFactor;
  if (numbered) text += fmt::format(" {:a}", instr.number);
  if (instr.code == Code::kRound) text += fmt::format(" {}", Name(instr.dtype));
  return text + "\n";
}

std::string PrintPorts(std::string_view kind, const std::vector<Port>& ports) {
  std::string text(kind);
  for (const Port& port : ports) {
    text += fmt::format(" {}{}", Name(port.dtype), port.constant ? "*" : "");
  }
  return text;
}

}  // namespace

std::string Print(const Program& program) {
  std::string text = fmt::format("{}; {}; cache {}\n", PrintPorts("in", program.in),
                                 PrintPorts("out", program.out), Name(program.cache));
  for (const Part& part : program.parts) {
    text += fmt::format("rows of in{}, {} heads of {}\n", part.counted, part.heads, part.width);
    for (size_t i = 0; i < part.code.size(); ++i) text += PrintInstr(i, part.code[i]);
  }
  return text;
}

}  // namespace rw::native
