#include "ops/inputs.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/random_fill.h"
#include "kv/pages.h"

namespace rw::ops {
namespace {

constexpr int64_t kLeastSlots = 1024;  // of a cache: tokens of a step do not lie side by side
constexpr int64_t kHowWidth = 3;       // temperature, top_p, min_p
constexpr int64_t kPickWidth = 2;      // top_k, draw

// Of a cache that is written.
int64_t PagesToWrite(const CallShape& shape) {
  return PagesFor(std::max(2 * shape.tokens, kLeastSlots));
}
int64_t PagesToRead(const CallShape& shape) { return shape.tokens * PagesFor(shape.context); }

// ----- Sizes ---------------------------------------------------------------------------------

bool HasAngles(const OpDef& op) {
  for (int i = 0; i < op.signature.num_in; ++i) {
    if (op.signature.in[i].name == "cs") return true;
  }
  return false;
}

// The activation of a gated product is as much wider than its input as Llama's.
int64_t InnerWidth(const OpDef& op, const CallShape& shape) {
  const bool gated =
      std::ranges::any_of(op.attrs, [](const AttrDef& a) { return a.name == "act"; });
  return gated ? shape.width * 7 / 2 : shape.width;
}

// "m" is the rows of the angles beside an operand cs, and rows of a weight elsewhere.
Dim SizeOfVariable(const OpDef& op, std::string_view name, const CallShape& shape) {
  constexpr std::string_view kSymbols[] = {"n", "r", "s", "s1", "p"};
  if (name == "*") return "n";
  if (std::ranges::find(kSymbols, name) != std::end(kSymbols)) return name;
  if (name == "m" && HasAngles(op)) return "m";
  const std::pair<std::string_view, int64_t> sizes[] = {
      {"hq", shape.hq},    {"hk", shape.hk},          {"d", shape.d},
      {"e", shape.d},      {"c", shape.hq * shape.d}, {"h", shape.width},
      {"k", shape.width},  {"v", shape.vocabulary},   {"m", InnerWidth(op, shape)},
      {"m0", shape.width}, {"m1", shape.width},       {"m2", shape.width},
  };
  for (const auto& [variable, size] : sizes) {
    if (variable == name) return size;
  }
  int64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;  // 0 is no size, which the verifier would say
}

Dim SizeOf(const OpDef& op, std::string_view pattern, const CallShape& shape) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos || pattern == "*") return SizeOfVariable(op, pattern, shape);
  return SizeOfVariable(op, pattern.substr(0, star), shape).value *
         SizeOfVariable(op, pattern.substr(star + 1), shape).value;
}

Type TypeOf(const OpDef& op, const OperandPattern& operand, const CallShape& shape) {
  if (operand.is_kv()) return Type::Kv(shape.kv_dtype, shape.hk, shape.d);
  std::vector<Dim> dims;
  for (int i = 0; i < operand.rank; ++i) dims.push_back(SizeOf(op, operand.dims[i], shape));
  return Type::Tensor(ParseDType(operand.dtype).value_or(shape.dtype), std::move(dims));
}

// ----- Attributes ----------------------------------------------------------------------------

AttrValue ValueOf(const AttrDef& attr, const CallShape& shape) {
  if (attr.name == "dtype") return std::string(Name(shape.dtype));
  if (attr.kind == AttrDef::Kind::kText) return std::string(attr.values.at(0));
  if (attr.name == "d") return shape.d;
  if (attr.kind == AttrDef::Kind::kInt) return int64_t{0};
  const std::pair<std::string_view, double> numbers[] = {
      {"eps", 1e-5},
      {"by", 0.5},
      {"cap", 30.0},
      {"scale", 1 / std::sqrt(static_cast<double>(shape.d))},
  };
  for (const auto& [name, value] : numbers) {
    if (name == attr.name) return value;
  }
  return 0.0;
}

// ----- Contents ------------------------------------------------------------------------------

int64_t RandomBelow(int64_t below, uint64_t seed, uint64_t i) {
  return static_cast<int64_t>(RandomWord(seed, i) % static_cast<uint64_t>(below));
}

std::vector<int32_t> RandomInts(int64_t count, int64_t below, uint64_t seed) {
  std::vector<int32_t> ints;
  for (int64_t i = 0; i < count; ++i) {
    ints.push_back(static_cast<int32_t>(RandomBelow(below, seed, static_cast<uint64_t>(i))));
  }
  return ints;
}

// The first `count` of [0, of) in random order.
std::vector<int32_t> Shuffled(int64_t count, int64_t of, uint64_t seed) {
  std::vector<int32_t> ints(static_cast<size_t>(of));
  std::iota(ints.begin(), ints.end(), 0);
  for (int64_t i = 0; i < count; ++i) {
    std::swap(ints[static_cast<size_t>(i)],
              ints[static_cast<size_t>(i + RandomBelow(of - i, seed, static_cast<uint64_t>(i)))]);
  }
  ints.resize(static_cast<size_t>(count));
  return ints;
}

Contents Ids(const CallShape& shape, uint64_t seed) {
  return RandomInts(shape.tokens, shape.vocabulary, seed);
}
Contents Rows(const CallShape& shape, uint64_t seed) {
  return RandomInts(shape.tokens, shape.tokens, seed);
}
Contents Positions(const CallShape& shape, uint64_t seed) {
  return RandomInts(shape.tokens, shape.positions, seed);
}
Contents Slots(const CallShape& shape, uint64_t seed) {
  std::vector<int32_t> slots = Shuffled(shape.tokens, PagesToWrite(shape) * kPageSize, seed);
  if (shape.padding) slots.back() = -1;
  return slots;
}

// Cosines and then sines, at theta 10000.
Contents Angles(const CallShape& shape, uint64_t) {
  const auto half = static_cast<size_t>(shape.d / 2);
  std::vector<double> frequencies;
  for (size_t i = 0; i < half; ++i) {
    frequencies.push_back(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half)));
  }
  std::vector<float> angles(static_cast<size_t>(shape.positions) * 2 * half);
  for (size_t p = 0; p < static_cast<size_t>(shape.positions); ++p) {
    float* const row = &angles[p * 2 * half];
    for (size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(p) * frequencies[i];
      row[i] = static_cast<float>(std::cos(angle));
      row[half + i] = static_cast<float>(std::sin(angle));
    }
  }
  return angles;
}

// Each sequence brings one query.
Contents QueryStarts(const CallShape& shape, uint64_t) {
  std::vector<int32_t> starts(static_cast<size_t>(shape.tokens) + 1);
  std::iota(starts.begin(), starts.end(), 0);
  return starts;
}
Contents Lengths(const CallShape& shape, uint64_t) {
  return std::vector<int32_t>(static_cast<size_t>(shape.tokens),
                              static_cast<int32_t>(shape.context));
}
Contents BlockTable(const CallShape& shape, uint64_t seed) {
  return Shuffled(PagesToRead(shape), PagesToRead(shape), seed);
}

Contents SampleHow(const CallShape& shape, uint64_t) {
  std::vector<float> how;
  for (int64_t r = 0; r < shape.tokens; ++r) how.insert(how.end(), {0.8f, 1.0f, 0.0f});
  static_assert(kHowWidth == 3);
  return how;
}
Contents SamplePick(const CallShape& shape, uint64_t seed) {
  std::vector<int32_t> pick;
  for (int64_t r = 0; r < shape.tokens; ++r) {
    const auto draw = static_cast<int32_t>(RandomWord(seed, static_cast<uint64_t>(r)));
    pick.insert(pick.end(), {0, draw});
  }
  static_assert(kPickWidth == 2);
  return pick;
}

struct OperandRule {
  std::string_view operand;
  Contents (*make)(const CallShape& shape, uint64_t seed);
};
constexpr OperandRule kRules[] = {
    {"ids", Ids},       {"rows", Rows},          {"pos", Positions}, {"slot", Slots},
    {"cs", Angles},     {"qstart", QueryStarts}, {"len", Lengths},   {"table", BlockTable},
    {"how", SampleHow}, {"pick", SamplePick},
};

bool IsWeight(const Type& type) {
  return std::ranges::none_of(type.dims, [](const Dim& dim) { return dim.is_symbol(); });
}

}  // namespace

bool Uses(const OpDef& op, std::string_view variable) {
  for (int i = 0; i < op.signature.num_in; ++i) {
    const OperandPattern& operand = op.signature.in[i];
    for (int j = 0; j < operand.rank; ++j) {
      if (operand.dims[j] == variable) return true;
    }
  }
  return false;
}

bool HasCache(const OpDef& op) {
  for (int i = 0; i < op.signature.num_in; ++i) {
    if (op.signature.in[i].is_kv()) return true;
  }
  return false;
}

Result<Graph> CallGraph(const OpDef& op, const CallShape& shape) {
  Graph graph{std::string(op.name)};
  std::vector<ValueId> in;
  for (int i = 0; i < op.signature.required(); ++i) {
    const OperandPattern& operand = op.signature.in[i];
    const Type type = TypeOf(op, operand, shape);
    const bool weight = !type.is_kv() && IsWeight(type);
    in.push_back(weight ? graph.AddWeight(std::string(operand.name), type)
                        : graph.AddInput(std::string(operand.name), type));
  }
  Attrs attrs;
  for (const AttrDef& attr : op.attrs) attrs.Set(attr.name, ValueOf(attr, shape));
  std::vector<std::string> names;
  for (int i = 0; i < op.signature.num_out; ++i) {
    names.push_back(fmt::format("{}.out", op.signature.out[i].name));
  }
  RW_ASSIGN(const std::vector<ValueId> out,
            graph.AddNode(op, std::move(in), std::move(attrs), std::move(names)));
  for (const ValueId id : out) graph.AddOutput(id);
  RW_TRY(Verify(graph));
  return graph;
}

std::map<std::string, int64_t, std::less<>> SymbolsOf(const CallShape& shape) {
  return {{"n", shape.tokens},
          {"r", shape.tokens},
          {"s", shape.tokens},
          {"s1", shape.tokens + 1},
          {"p", PagesFor(shape.context)},
          {"m", shape.positions},
          {"context", shape.tokens * shape.context}};
}

int64_t CachePages(const OpDef& op, const CallShape& shape) {
  return Uses(op, "s") ? PagesToRead(shape) : PagesToWrite(shape);
}

Contents ContentsOf(std::string_view operand, const CallShape& shape, uint64_t seed) {
  for (const OperandRule& rule : kRules) {
    if (rule.operand == operand) return rule.make(shape, seed);
  }
  return {};
}

}  // namespace rw::ops
