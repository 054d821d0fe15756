#include "native/gpu_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace rw::native {
namespace {

using Sums = GpuMapping::Sums;
constexpr int64_t kWarp = 32;
constexpr int64_t kMostHeads = 2;  // of a thread

std::string_view TypeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "float";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kI32:
      return "int";
    case DType::kF8E4M3:
      return "F8";
  }
  return "?";
}

// What an operation on numbers is in the text; empty: the code is none.
std::string_view FormulaOf(Code code) {
  switch (code) {
    case Code::kAdd:
      return "{} + {}";
    case Code::kSub:
      return "{} - {}";
    case Code::kMul:
      return "{} * {}";
    case Code::kDiv:
      return "{} / {}";
    case Code::kTanh:
      return "tanhf({})";
    case Code::kSilu:
      return "Silu({})";
    case Code::kGelu:
      return "Gelu({})";
    case Code::kGeluTanh:
      return "GeluTanh({})";
    default:
      return "";
  }
}

bool IsStore(const Instr& instr) {
  return instr.code == Code::kStore || instr.code == Code::kStoreCache;
}

std::string NumberText(float x) {
  RW_CHECK(std::isfinite(x), "a constant of generated code is {}", x);
  return fmt::format("{}{:a}f{}", x < 0 ? "(" : "", x, x < 0 ? ")" : "");
}

class PartText {
 public:
  PartText(const Program& program, size_t index, const GpuMapping& map, int64_t threads)
      : program_(program),
        part_(program.parts[index]),
        index_(index),
        map_(map),
        threads_(threads),
        own_(part_.code.size()) {
    for (size_t i = 0; i < part_.code.size(); ++i) {
      const Instr& instr = part_.code[i];
      own_[i] = (instr.code == Code::kLoad && instr.rows == Rows::kOwn) || IsStore(instr) ||
                std::ranges::any_of(instr.args, [&](int arg) { return own_[arg]; });
    }
  }

  std::string Write() {
    Line("// {} heads of {}, {} threads for each", part_.heads, part_.width, map_.group);
    Line("template <bool kWhole, int kHeads>");
    Line("DEVICE void Part{}(const Params& p, unsigned thread, float* shared) {{", index_);
    ++indent_;
    Line("const Unit<{}, kHeads, {}> u(thread, p.launch.rows[{}]);", part_.heads, map_.group,
         index_);
    if (map_.sums == Sums::kLooped) {
      WriteLooped();
    } else {
      WriteHeld();
    }
    --indent_;
    Line("}}");
    return std::move(text_);
  }

 private:
  using Wanted = std::vector<bool>;  // of the part's instructions

  template <class... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    text_.append(static_cast<size_t>(2 * indent_), ' ');
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }

  const Instr& At(size_t i) const { return part_.code[i]; }
  bool IsEarly(const Instr& instr) const {
    return instr.code == Code::kLoad && instr.rows == Rows::kShared &&
           program_.in[static_cast<size_t>(instr.port)].weight;
  }
  // Octets come from memory or a rounding as they would lie in memory, and are widened where used.
  bool IsPacked(const Instr& instr) const {
    return !instr.scalar && (instr.code == Code::kLoad ||
                             (instr.code == Code::kRound && instr.dtype != DType::kF32));
  }
  std::string_view Heads(size_t i) const { return own_[i] ? "kHeads" : "1"; }
  std::string_view Head(size_t i) const { return own_[i] ? "k" : "0"; }
  int64_t Reps(size_t i) const { return map_.RepsOf(At(i).length); }
  std::string OctetsLoop(size_t i) const {
    return fmt::format("OCTETS({}, {})", Heads(i), Reps(i));
  }
  std::string Held(size_t i) const { return fmt::format("n{}[r]", At(i).length); }
  std::string Octet() const { return fmt::format("at + r * {}", map_.group); }
  std::string OctetName(size_t i) const {
    return fmt::format("{}{}[{}][r]", IsPacked(At(i)) ? "x" : "v", i, Head(i));
  }
  std::string Value(size_t i) const {
    if (At(i).code == Code::kNumber) return NumberText(At(i).number);
    if (At(i).scalar) return fmt::format("s{}[{}]", i, Head(i));
    return IsPacked(At(i)) ? fmt::format("Wide({}, j)", OctetName(i))
                           : fmt::format("{}[j]", OctetName(i));
  }
  std::string Formula(const Instr& instr) const {
    const std::string a = Value(static_cast<size_t>(instr.args[0]));
    if (instr.args.size() == 1) return fmt::format(fmt::runtime(FormulaOf(instr.code)), a);
    return fmt::format(fmt::runtime(FormulaOf(instr.code)), a,
                       Value(static_cast<size_t>(instr.args[1])));
  }

  // All values that stay in registers between a sum and its use.
  void WriteHeld() {
    const Wanted all(part_.code.size(), true);
    Line("const unsigned at = u.t;");
    WriteCounts();
    WriteLoads(all, [&](const Instr& instr) { return IsEarly(instr); });
    Line("WaitForPrevious();");
    WritePickers();
    WriteLoads(all, [&](const Instr& instr) { return !IsEarly(instr); });
    for (size_t i = 0; i < part_.code.size(); ++i) {
      if (At(i).scalar) {
        WriteScalar(i);
      } else {
        WriteMap(i);
      }
    }
    WriteStores();
  }

  // A pass over the row for each sum, and one for the results. Nothing is stored before the last,
  // so that a result may lie where an operand does.
  void WriteLooped() {
    Line("WaitForPrevious();");
    WritePickers();
    for (size_t i = 0; i < part_.code.size(); ++i) {
      if (!At(i).scalar) continue;
      if (At(i).code == Code::kSumSquares) {
        Line("float a{}[{}][1] = {{}};", i, Heads(i));
        WritePass(Under(i), [&] { WriteTerms(i); });
      }
      WriteScalar(i);
    }
    WritePass(Wanted(part_.code.size(), true), [&] { WriteStores(); });
  }
  void WritePass(const Wanted& wanted, const std::function<void()>& last) {
    Line("for (unsigned at = u.t; at < {}; at += {}) {{", (part_.width + kOctet - 1) / kOctet,
         map_.group);
    ++indent_;
    WriteCounts();
    WriteLoads(wanted, [](const Instr&) { return true; });
    for (size_t i = 0; i < part_.code.size(); ++i) {
      if (wanted[i] && !At(i).scalar) WriteMap(i);
    }
    last();
    --indent_;
    Line("}}");
  }
  // What a sum is made of, up to numbers that are known before.
  Wanted Under(size_t sum) const {
    Wanted wanted(part_.code.size());
    const std::function<void(size_t)> add = [&](size_t i) {
      for (const int arg : At(i).args) {
        const auto next = static_cast<size_t>(arg);
        if (At(next).scalar || wanted[next]) continue;
        wanted[next] = true;
        add(next);
      }
    };
    add(sum);
    return wanted;
  }

  // How many elements the thread holds of each of its octets, for each length of segments.
  void WriteCounts() {
    std::vector<int64_t> lengths;
    for (const Instr& instr : part_.code) {
      if (!instr.scalar && !std::ranges::count(lengths, instr.length)) {
        lengths.push_back(instr.length);
      }
    }
    for (const int64_t length : lengths) {
      std::string counts;
      for (int64_t r = 0; r < map_.RepsOf(length); ++r) {
        if (r > 0) counts += ", ";
        counts += map_.Full(length)
                      ? fmt::format("{}", kOctet)
                      : fmt::format("Held<kWhole>(at + {}, {})", r * map_.group, length);
      }
      Line("const int n{}[] = {{{}}};", length, counts);
    }
  }

  void WritePickers() {
    std::vector<int> pickers;
    for (const Instr& instr : part_.code) {
      if (instr.picker < 0 || std::ranges::count(pickers, instr.picker)) continue;
      pickers.push_back(instr.picker);
      Line("const int i{0} = Index(p.port[{0}], u.row);", instr.picker);
    }
  }

  // The address of the part of a row that an access goes to, from element `begin` of it on.
  std::string Place(const Instr& instr, int64_t begin) const {
    if (instr.code == Code::kStoreCache) {
      return fmt::format(
          "({}*)p.launch.cache.plane[{}] + c{} + u.head[k] * "
          "p.launch.cache.head_stride + {}",
          TypeOf(program_.cache), instr.rows == Rows::kKeys ? 0 : 1, instr.picker, begin);
    }
    const bool store = instr.code == Code::kStore;
    const auto port = static_cast<size_t>(instr.port);
    const std::string_view type = TypeOf((store ? program_.out : program_.in)[port].dtype);
    if (instr.rows == Rows::kShared) {
      return fmt::format("Weights<{}>(p.port[{}]) + {}", type, port, begin);
    }
    return fmt::format("Row<{}>(p.port[{}], u.row) + u.head[k] * {} + {}", type,
                       port + (store ? program_.in.size() : 0), part_.width, begin);
  }

  template <class Chosen>
  void WriteLoads(const Wanted& wanted, const Chosen& chosen) {
    for (size_t i = 0; i < part_.code.size(); ++i) {
      const Instr& instr = At(i);
      if (instr.code != Code::kLoad || !wanted[i] || !chosen(instr)) continue;
      Line("Packed<{}> x{}[{}][{}];", TypeOf(instr.dtype), i, Heads(i), Reps(i));
      const int partner = PartnerOf(part_, i);
      if (partner < 0) {
        WriteLoad(i);
      } else if (static_cast<size_t>(partner) < i) {
        WriteLoadPair(i, static_cast<size_t>(partner));
      }
    }
  }
  void WriteLoad(size_t i) {
    const Instr& instr = At(i);
    if (instr.rows == Rows::kPicked) {
      RW_CHECK(instr.at.stride == 1, "picked rows of stride {}", instr.at.stride);
      return Line("{} {} = LoadPicked<kWhole, {}>(p.port[{}], i{}, {}, {}, {});", OctetsLoop(i),
                  OctetName(i), TypeOf(instr.dtype), instr.port, instr.picker, instr.at.begin,
                  Octet(), Held(i));
    }
    Line("{} {} = Load<kWhole, {}>({}, {}, {});", OctetsLoop(i), OctetName(i), instr.at.stride,
         Place(instr, instr.at.begin), Octet(), Held(i));
  }
  void WriteLoadPair(size_t a, size_t b) {
    const size_t even = At(a).at.begin % 2 == 0 ? a : b;
    const size_t odd = a + b - even;
    Line("{} LoadPair<kWhole>({}, {}, {}, {}, {});", OctetsLoop(even),
         Place(At(even), At(even).at.begin), Octet(), Held(even), OctetName(even), OctetName(odd));
  }

  void WriteMap(size_t i) {
    const Instr& instr = At(i);
    if (instr.code == Code::kRound) {
      const auto arg = static_cast<size_t>(instr.args[0]);
      Line("Packed<{}> x{}[{}][{}];", TypeOf(instr.dtype), i, Heads(i), Reps(i));
      return Line("{} {} = Narrow<{}>({});", OctetsLoop(i), OctetName(i), TypeOf(instr.dtype),
                  OctetName(arg));
    }
    if (FormulaOf(instr.code).empty()) return;
    Line("float v{}[{}][{}][8];", i, Heads(i), Reps(i));
    Line("NUMBERS({}, {}) {} = {};", Heads(i), Reps(i), Value(i), Formula(instr));
  }

  void WriteScalar(size_t i) {
    const Instr& instr = At(i);
    if (instr.code == Code::kNumber) return;
    if (instr.code == Code::kSumSquares) return WriteSum(i);
    std::string value;
    if (instr.code == Code::kNormFactor) {
      value = fmt::format("NormFactor({}, {}, {})", Value(static_cast<size_t>(instr.args[0])),
                          NumberText(static_cast<float>(part_.width)), NumberText(instr.number));
    } else if (instr.code == Code::kRound) {
      value = fmt::format("Through<{}>({})", TypeOf(instr.dtype),
                          Value(static_cast<size_t>(instr.args[0])));
    } else {
      value = Formula(instr);
    }
    Line("float s{}[{}];", i, Heads(i));
    Line("HEADS({}) {} = {};", Heads(i), Value(i), value);
  }

  void WriteSum(size_t i) {
    if (map_.sums == Sums::kHeld) {
      Line("float a{}[{}][{}] = {{}};", i, Heads(i), map_.lanes / map_.group);
      WriteTerms(i);
    }
    Line("float s{}[{}];", i, Heads(i));
    if (map_.sums == Sums::kStaged) return WriteStagedSum(i);
    Line("HEADS({}) s{}[k] = Fold<{}>(a{}[k], {});", Heads(i), i, map_.group, i, FoldPlace(i));
  }
  // Each sum of each head has a place of its own.
  std::string FoldPlace(size_t i) const {
    int64_t before = 0;
    for (size_t other = 0; other < i; ++other) before += At(other).code == Code::kSumSquares;
    const int64_t stage = map_.sums == Sums::kStaged ? threads_ / map_.group * part_.width : 0;
    return fmt::format("shared + {} + k * {}", stage + before * kMostHeads * (threads_ / kWarp),
                       threads_ / kWarp);
  }
  // The squares of octets join their lanes in the order of the row.
  void WriteTerms(size_t i) {
    struct Term {
      int64_t octet;  // of thread 0
      size_t segment;
      int64_t rep;
    };
    std::vector<Term> terms;
    for (size_t s = 0; s < part_.segments.size(); ++s) {
      const Segment& at = part_.segments[s];
      for (int64_t r = 0; r < map_.RepsOf(at.length); ++r) {
        terms.push_back({at.begin / kOctet + r * map_.group, s, r});
      }
    }
    std::ranges::stable_sort(terms, {}, &Term::octet);
    const int64_t slots = map_.lanes / map_.group;
    for (const Term& term : terms) {
      const auto arg = static_cast<size_t>(At(i).args[term.segment]);
      Line("HEADS({}) a{}[k][{}] += Squares({}{}[{}][{}], n{}[{}]);", Heads(i), i,
           term.octet / map_.group % slots, IsPacked(At(arg)) ? "x" : "v", arg, Head(arg), term.rep,
           At(arg).length, term.rep);
    }
  }
  void WriteStagedSum(size_t i) {
    Line("HEADS({}) {{", Heads(i));
    ++indent_;
    Line("float* const row = shared + threadIdx.x / {} * {};", map_.group, part_.width);
    for (size_t s = 0; s < part_.segments.size(); ++s) {
      const Segment& at = part_.segments[s];
      const auto arg = static_cast<size_t>(At(i).args[s]);
      Line("UNROLL for (int r = 0; r < {}; ++r) Stage<{}>(row + {}, {}, {}, {});", Reps(arg),
           at.stride, at.begin, Octet(), Held(arg), OctetName(arg));
    }
    Line("__syncthreads();");
    Line("float lane[1] = {{StagedLane<{}, {}>(row, u.t)}};", map_.group, part_.width);
    Line("__syncthreads();");
    Line("s{}[k] = Fold<{}>(lane, {});", i, map_.group, FoldPlace(i));
    --indent_;
    Line("}}");
  }

  void WriteStores() {
    std::vector<int> pickers;
    for (size_t i = 0; i < part_.code.size(); ++i) {
      const Instr& instr = At(i);
      if (!IsStore(instr)) continue;
      if (instr.code == Code::kStoreCache && !std::ranges::count(pickers, instr.picker)) {
        pickers.push_back(instr.picker);
        Line("const long long c{0} = Slot(p.launch.cache, i{0});", instr.picker);
      }
      const int partner = PartnerOf(part_, i);
      if (partner < 0) {
        WriteStore(i);
      } else if (static_cast<size_t>(partner) < i) {
        WriteStorePair(i, static_cast<size_t>(partner));
      }
    }
  }
  std::string StoresLoop(size_t i) const {
    const bool caches = At(i).code == Code::kStoreCache;
    return fmt::format("{} if (u.live[k]{})", OctetsLoop(i),
                       caches ? fmt::format(" && c{} >= 0", At(i).picker) : "");
  }
  std::string Stored(size_t i) const {
    const Instr& instr = At(i);
    const auto arg = static_cast<size_t>(instr.args[0]);
    RW_CHECK(!At(arg).scalar, "one number is stored as a row");
    const bool caches = instr.code == Code::kStoreCache;
    const DType to = caches ? program_.cache : program_.out[static_cast<size_t>(instr.port)].dtype;
    if (!caches || to != DType::kF8E4M3) {
      return fmt::format("Narrow<{}>({})", TypeOf(to), OctetName(arg));
    }
    return fmt::format("NarrowScaled({}, p.launch.cache.scale[{}], u.head[k])", OctetName(arg),
                       instr.rows == Rows::kKeys ? 0 : 1);
  }
  void WriteStore(size_t i) {
    Line("{} Store<kWhole, {}>({}, {}, {}, {});", StoresLoop(i), At(i).at.stride,
         Place(At(i), At(i).at.begin), Octet(), Held(i), Stored(i));
  }
  void WriteStorePair(size_t a, size_t b) {
    const size_t even = At(a).at.begin % 2 == 0 ? a : b;
    const size_t odd = a + b - even;
    Line("{} StorePair<kWhole>({}, {}, {}, {}, {});", StoresLoop(even),
         Place(At(even), At(even).at.begin), Octet(), Held(even), Stored(even), Stored(odd));
  }

  const Program& program_;
  const Part& part_;
  const size_t index_;
  const GpuMapping map_;
  const int64_t threads_;
  std::vector<bool> own_;  // instructions whose result each head has for itself
  std::string text_;
  int indent_ = 0;
};

}  // namespace

int64_t SharedWordsOf(const Part& part, const GpuMapping& map, int64_t threads) {
  if (map.sums == Sums::kNone) return 0;
  const int64_t stage = map.sums == Sums::kStaged ? threads / map.group * part.width : 0;
  const auto sums = std::ranges::count(part.code, Code::kSumSquares, &Instr::code);
  return stage + (map.group > kWarp ? sums * kMostHeads * (threads / kWarp) : 0);
}

std::string WritePart(const Program& program, size_t index, const GpuMapping& map,
                      int64_t threads) {
  return PartText(program, index, map, threads).Write();
}

}  // namespace rw::native
