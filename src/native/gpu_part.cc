#include "native/gpu_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "native/gpu_names.h"

namespace rw::native {
namespace {

using Sums = GpuMapping::Sums;
using When = GpuNames::When;
constexpr int64_t kWarp = 32;
constexpr int64_t kMostHeads = 2;  // of a thread

class PartText {
 public:
  PartText(const Program& program, size_t index, const GpuMapping& map, int64_t threads)
      : program_(program),
        part_(program.parts[index]),
        index_(index),
        map_(map),
        threads_(threads),
        names_(program, part_, map_) {}

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

  const Instr& At(size_t i) const { return part_.code[i]; }

  template <class... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    text_.append(static_cast<size_t>(2 * indent_), ' ');
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }

  // A norm stands between two products and lets the second start at once (kernels/gpu/launch.cuh).
  void WriteWait() {
    const bool norm = map_.sums != Sums::kNone && part_.heads == 1;
    Line("{}();", norm ? "LetNextStartAndWait" : "WaitForPrevious");
  }

  // All values that stay in registers between a sum and its use.
  void WriteHeld() {
    const Wanted all(part_.code.size(), true);
    Line("const unsigned at = u.t;");
    WriteCounts();
    WritePickers([&](int picker) { return names_.IsConstant(picker); });
    WriteLoads(all, [&](const Instr& load) { return names_.WhenOf(load) == When::kEarly; });
    const std::vector<int> guessed = GuessedPickers();
    for (const int picker : guessed) Line("const int g{0} = Peek(p.port[{0}], u.row);", picker);
    WriteLoads(all, [&](const Instr& load) { return names_.WhenOf(load) == When::kGuessed; });
    WriteWait();
    WritePickers([&](int picker) { return !names_.IsConstant(picker); });
    WriteLoads(all, [&](const Instr& load) { return names_.WhenOf(load) == When::kLate; });
    for (const int picker : guessed) WriteAmends(picker);
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
    WriteWait();
    WritePickers([](int) { return true; });
    for (size_t i = 0; i < part_.code.size(); ++i) {
      if (!At(i).scalar) continue;
      if (At(i).code == Code::kSumSquares) {
        Line("float a{}[{}][1] = {{}};", i, names_.Heads(i));
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

  template <class Chosen>
  void WritePickers(const Chosen& chosen) {
    std::vector<int> pickers;
    for (const Instr& instr : part_.code) {
      if (instr.picker < 0 || !chosen(instr.picker)) continue;
      if (std::ranges::count(pickers, instr.picker)) continue;
      pickers.push_back(instr.picker);
      Line("const int i{0} = Index(p.port[{0}], u.row);", instr.picker);
    }
  }

  std::vector<int> GuessedPickers() const {
    std::vector<int> pickers;
    for (const Instr& instr : part_.code) {
      if (instr.code != Code::kLoad || names_.WhenOf(instr) != When::kGuessed) continue;
      if (!std::ranges::count(pickers, instr.picker)) pickers.push_back(instr.picker);
    }
    return pickers;
  }
  // Loads again what was loaded for a wrong guess.
  void WriteAmends(int picker) {
    Line("if (i{0} != g{0}) {{", picker);
    ++indent_;
    for (size_t i = 0; i < part_.code.size(); ++i) {
      const Instr& instr = At(i);
      if (instr.code != Code::kLoad || instr.picker != picker) continue;
      if (names_.WhenOf(instr) == When::kGuessed) WriteLoadPicked(i, 'i');
    }
    --indent_;
    Line("}}");
  }

  template <class Chosen>
  void WriteLoads(const Wanted& wanted, const Chosen& chosen) {
    for (size_t i = 0; i < part_.code.size(); ++i) {
      const Instr& instr = At(i);
      if (instr.code != Code::kLoad || !wanted[i] || !chosen(instr)) continue;
      Line("Packed<{}> x{}[{}][{}];", GpuType(instr.dtype), i, names_.Heads(i), names_.Reps(i));
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
      const bool guessed = map_.sums != Sums::kLooped && names_.WhenOf(instr) == When::kGuessed;
      return WriteLoadPicked(i, guessed ? 'g' : 'i');
    }
    Line("{} {} = Load<kWhole, {}>({}, {}, {});", names_.OctetsLoop(i), names_.OctetOf(i),
         instr.at.stride, names_.Place(instr, instr.at.begin), names_.Octet(), names_.Held(i));
  }
  // Of the row whose number has a name that begins so.
  void WriteLoadPicked(size_t i, char name) {
    const Instr& instr = At(i);
    RW_CHECK(instr.at.stride == 1, "picked rows of stride {}", instr.at.stride);
    Line("{} {} = LoadPicked<kWhole, {}>(p.port[{}], {}{}, {}, {}, {});", names_.OctetsLoop(i),
         names_.OctetOf(i), GpuType(instr.dtype), instr.port, name, instr.picker, instr.at.begin,
         names_.Octet(), names_.Held(i));
  }
  void WriteLoadPair(size_t a, size_t b) {
    const size_t even = At(a).at.begin % 2 == 0 ? a : b;
    const size_t odd = a + b - even;
    Line("{} LoadPair<kWhole>({}, {}, {}, {}, {});", names_.OctetsLoop(even),
         names_.Place(At(even), At(even).at.begin), names_.Octet(), names_.Held(even),
         names_.OctetOf(even), names_.OctetOf(odd));
  }

  void WriteMap(size_t i) {
    const Instr& instr = At(i);
    if (instr.code == Code::kRound) {
      const auto arg = static_cast<size_t>(instr.args[0]);
      Line("Packed<{}> x{}[{}][{}];", GpuType(instr.dtype), i, names_.Heads(i), names_.Reps(i));
      return Line("{} {} = Narrow<{}>({});", names_.OctetsLoop(i), names_.OctetOf(i),
                  GpuType(instr.dtype), names_.OctetOf(arg));
    }
    if (!GpuNames::HasFormula(instr)) return;
    Line("float v{}[{}][{}][8];", i, names_.Heads(i), names_.Reps(i));
    if (instr.code == Code::kSilu) {
      return Line("{} SiluAll({}, {});", names_.OctetsLoop(i),
                  names_.OctetOf(static_cast<size_t>(instr.args[0])), names_.OctetOf(i));
    }
    Line("NUMBERS({}, {}) {} = {};", names_.Heads(i), names_.Reps(i), names_.Value(i),
         names_.Formula(instr));
  }

  void WriteScalar(size_t i) {
    const Instr& instr = At(i);
    if (instr.code == Code::kNumber) return;
    if (instr.code == Code::kSumSquares) return WriteSum(i);
    std::string value;
    if (instr.code == Code::kNormFactor) {
      value =
          fmt::format("NormFactor({}, {}, {})", names_.Value(static_cast<size_t>(instr.args[0])),
                      GpuNumber(static_cast<float>(part_.width)), GpuNumber(instr.number));
    } else if (instr.code == Code::kRound) {
      value = fmt::format("Through<{}>({})", GpuType(instr.dtype),
                          names_.Value(static_cast<size_t>(instr.args[0])));
    } else {
      value = names_.Formula(instr);
    }
    Line("float s{}[{}];", i, names_.Heads(i));
    Line("HEADS({}) {} = {};", names_.Heads(i), names_.Value(i), value);
  }

  void WriteSum(size_t i) {
    if (map_.sums == Sums::kHeld) {
      Line("float a{}[{}][{}] = {{}};", i, names_.Heads(i), map_.lanes / map_.group);
      WriteTerms(i);
    }
    Line("float s{}[{}];", i, names_.Heads(i));
    if (map_.sums == Sums::kStaged) return WriteStagedSum(i);
    Line("HEADS({}) s{}[k] = Fold<{}>(a{}[k], {});", names_.Heads(i), i, map_.group, i,
         FoldPlace(i));
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
      Line("HEADS({}) a{}[k][{}] += Squares({}, n{}[{}]);", names_.Heads(i), i,
           term.octet / map_.group % slots, names_.OctetOf(arg, fmt::format("{}", term.rep)),
           At(arg).length, term.rep);
    }
  }
  void WriteStagedSum(size_t i) {
    Line("HEADS({}) {{", names_.Heads(i));
    ++indent_;
    Line("float* const row = shared + threadIdx.x / {} * {};", map_.group, part_.width);
    for (size_t s = 0; s < part_.segments.size(); ++s) {
      const Segment& at = part_.segments[s];
      const auto arg = static_cast<size_t>(At(i).args[s]);
      Line("UNROLL for (int r = 0; r < {}; ++r) Stage<{}>(row + {}, {}, {}, {});", names_.Reps(arg),
           at.stride, at.begin, names_.Octet(), names_.Held(arg), names_.OctetOf(arg));
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
  void WriteStore(size_t i) {
    Line("{} Store<kWhole, {}>({}, {}, {}, {});", names_.StoresLoop(i), At(i).at.stride,
         names_.Place(At(i), At(i).at.begin), names_.Octet(), names_.Held(i), names_.Stored(i));
  }
  void WriteStorePair(size_t a, size_t b) {
    const size_t even = At(a).at.begin % 2 == 0 ? a : b;
    const size_t odd = a + b - even;
    Line("{} StorePair<kWhole>({}, {}, {}, {}, {});", names_.StoresLoop(even),
         names_.Place(At(even), At(even).at.begin), names_.Octet(), names_.Held(even),
         names_.Stored(even), names_.Stored(odd));
  }

  const Program& program_;
  const Part& part_;
  const size_t index_;
  const GpuMapping map_;
  const int64_t threads_;
  const GpuNames names_;
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
