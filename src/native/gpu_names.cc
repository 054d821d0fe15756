#include "native/gpu_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace rw::native {
namespace {

constexpr std::array<std::pair<DType, std::string_view>, 5> kTypes = {{{DType::kF32, "float"},
                                                                       {DType::kF16, "F16"},
                                                                       {DType::kBF16, "BF16"},
                                                                       {DType::kI32, "int"},
                                                                       {DType::kF8E4M3, "F8"}}};
// Operations on numbers. The functions stand in gpu_prelude.cc.
constexpr std::array<std::pair<Code, std::string_view>, 8> kFormulas = {
    {{Code::kAdd, "{} + {}"},
     {Code::kSub, "{} - {}"},
     {Code::kMul, "{} * {}"},
     {Code::kDiv, "{} / {}"},
     {Code::kTanh, "tanhf({})"},
     {Code::kSilu, "Silu({})"},
     {Code::kGelu, "Gelu({})"},
     {Code::kGeluTanh, "GeluTanh({})"}}};

template <class Table, class Key>
std::string_view Find(const Table& table, Key key) {
  for (const auto& [known, text] : table) {
    if (known == key) return text;
  }
  return {};
}

int PlaneOf(const Instr& store) { return store.rows == Rows::kKeys ? 0 : 1; }

}  // namespace

bool IsStore(const Instr& instr) {
  return instr.code == Code::kStore || instr.code == Code::kStoreCache;
}

std::string_view GpuType(DType dtype) { return Find(kTypes, dtype); }

std::string GpuNumber(float x) {
  RW_CHECK(std::isfinite(x), "a constant of generated code is {}", x);
  return x < 0 ? fmt::format("({:a}f)", x) : fmt::format("{:a}f", x);
}

GpuNames::GpuNames(const Program& program, const Part& part, const GpuMapping& map)
    : program_(program), part_(part), map_(map), own_(part.code.size()) {
  for (size_t i = 0; i < part_.code.size(); ++i) {
    const Instr& instr = part_.code[i];
    own_[i] = (instr.code == Code::kLoad && instr.rows == Rows::kOwn) || IsStore(instr) ||
              std::ranges::any_of(instr.args, [&](int arg) { return own_[arg]; });
  }
}

GpuNames::When GpuNames::WhenOf(const Instr& load) const {
  if (load.rows == Rows::kOwn || !IsConstant(load.port)) return When::kLate;
  return load.picker < 0 || IsConstant(load.picker) ? When::kEarly : When::kGuessed;
}

bool GpuNames::IsPacked(size_t i) const {
  const Instr& instr = At(i);
  return !instr.scalar && (instr.code == Code::kLoad || instr.code == Code::kRound);
}

bool GpuNames::HasFormula(const Instr& instr) { return !Find(kFormulas, instr.code).empty(); }

std::string GpuNames::OctetsLoop(size_t i) const {
  return fmt::format("OCTETS({}, {})", Heads(i), Reps(i));
}
std::string GpuNames::Octet() const { return fmt::format("at + r * {}", map_.group); }
std::string GpuNames::Held(size_t i) const { return fmt::format("n{}[r]", At(i).length); }

std::string GpuNames::OctetOf(size_t i, std::string_view rep) const {
  return fmt::format("{}{}[{}][{}]", IsPacked(i) ? "x" : "v", i, Head(i), rep);
}

std::string GpuNames::Value(size_t i) const {
  if (At(i).code == Code::kNumber) return GpuNumber(At(i).number);
  if (At(i).scalar) return fmt::format("s{}[{}]", i, Head(i));
  return fmt::format(fmt::runtime(IsPacked(i) ? "Wide({}, j)" : "{}[j]"), OctetOf(i));
}

std::string GpuNames::Formula(const Instr& instr) const {
  const auto formula = fmt::runtime(Find(kFormulas, instr.code));
  const std::string a = Value(static_cast<size_t>(instr.args[0]));
  if (instr.args.size() == 1) return fmt::format(formula, a);
  return fmt::format(formula, a, Value(static_cast<size_t>(instr.args[1])));
}

std::string GpuNames::Place(const Instr& instr, int64_t begin) const {
  if (instr.code == Code::kStoreCache) {
    return fmt::format(
        "({}*)p.launch.cache.plane[{}] + c{} + u.head[k] * p.launch.cache.head_stride + {}",
        GpuType(program_.cache), PlaneOf(instr), instr.picker, begin);
  }
  const bool store = instr.code == Code::kStore;
  const auto port = static_cast<size_t>(instr.port);
  const std::string_view type = GpuType((store ? program_.out : program_.in)[port].dtype);
  if (instr.rows == Rows::kShared) {
    return fmt::format("Weights<{}>(p.port[{}]) + {}", type, port, begin);
  }
  return fmt::format("Row<{}>(p.port[{}], u.row) + u.head[k] * {} + {}", type,
                     port + (store ? program_.in.size() : 0), part_.width, begin);
}

std::string GpuNames::Stored(size_t i) const {
  const Instr& instr = At(i);
  const auto arg = static_cast<size_t>(instr.args[0]);
  RW_CHECK(!At(arg).scalar, "one number is stored as a row");
  const bool caches = instr.code == Code::kStoreCache;
  const DType to = caches ? program_.cache : program_.out[static_cast<size_t>(instr.port)].dtype;
  if (!caches || to != DType::kF8E4M3) {
    return fmt::format("Narrow<{}>({})", GpuType(to), OctetOf(arg));
  }
  return fmt::format("NarrowScaled({}, p.launch.cache.scale[{}], u.head[k])", OctetOf(arg),
                     PlaneOf(instr));
}

std::string GpuNames::StoresLoop(size_t i) const {
  const bool caches = At(i).code == Code::kStoreCache;
  return fmt::format("{} if (u.live[k]{})", OctetsLoop(i),
                     caches ? fmt::format(" && c{} >= 0", At(i).picker) : "");
}

}  // namespace rw::native
