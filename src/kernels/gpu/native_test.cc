// Generated code on the GPU: equal to the kernels written by hand in every bit.
#include "kernels/gpu/testing.h"
// testing.h comes first: it sets the targets of Highway.
#include <unistd.h>

#include <filesystem>

#include "native/testing.h"

namespace rw {
namespace {

using native::Program;
using native::testing::NormCase;
using native::testing::RopeCase;
using testing::Angles;
using testing::Cache;
using testing::ExpectSame;
using testing::RunGpu;
using testing::Tensor;

class GpuNative : public testing::GpuTest {};

// Compiles them side by side.
void Build(const std::vector<Program>& programs) {
  std::vector<const Program*> pointers;
  for (const Program& program : programs) pointers.push_back(&program);
  const Status built = testing::DeviceCode().Build(pointers);
  ASSERT_TRUE(built.has_value()) << built.error().message;
}

// Runs the program in place of the op.
void RunNative(const Program& program, std::string_view op, std::vector<TensorView> in,
               std::vector<TensorView> out, const KvLayerView* kv = nullptr,
               int multiprocessors = 0) {
  testing::GpuCall call{std::string(op), "native", std::move(in), std::move(out), {}, kv};
  call.multiprocessors = multiprocessors;
  call.program = &program;
  testing::GpuRun run(std::vector<testing::GpuCall>{std::move(call)});
  run.Launch();
  run.Download();
}

struct Rows {
  int64_t n, gap;  // elements between rows: with some, rows begin where no octet can
};
constexpr Rows kRows[] = {{1, 0}, {3, 3}, {70, 8}, {1000, 16}};

TEST_F(GpuNative, ActivationsEqualKernels) {
  const std::pair<std::string, native::Code> acts[] = {{"silu", native::Code::kSilu},
                                                       {"gelu", native::Code::kGelu},
                                                       {"gelu_tanh", native::Code::kGeluTanh}};
  constexpr int64_t kWidths[] = {37, 64, 1032};
  std::vector<Program> programs;
  for (const auto& [name, act] : acts) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const int64_t h : kWidths) {
        programs.push_back(native::testing::Activation(dtype, h, act, true));
      }
    }
  }
  Build(programs);
  size_t next = 0;
  for (const auto& [name, act] : acts) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const int64_t h : kWidths) {
        const Program& program = programs[next++];
        for (const Rows& rows : kRows) {
          SCOPED_TRACE(fmt::format("{} {} {}x{} gap {}", name, Name(dtype), rows.n, h, rows.gap));
          const Tensor gate = Tensor(dtype, {rows.n, h}, rows.gap).Random(1, 9);
          const Tensor up = Tensor(dtype, {rows.n, h}, 8).Random(2, 3);
          const Tensor y(dtype, {rows.n, h}, rows.gap), expected(dtype, {rows.n, h});
          RunNative(program, name + "_mul", {gate, up}, {y});
          RunGpu(name + "_mul", "gpu", {gate, up}, {expected});
          ExpectSame(y, expected);
          EXPECT_FALSE(y.AnyNan());
          RunNative(program, name + "_mul", {gate, up}, {gate});  // in place
          ExpectSame(gate, expected);
        }
      }
    }
  }
}

// Zeros, infinities, NaN and the smallest numbers too.
TEST_F(GpuNative, SiluOfEveryNumberEqualsKernel) {
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    const std::vector<Program> programs = {
        native::testing::Activation(dtype, 4096, native::Code::kSilu, false)};
    Build(programs);
    const Tensor x(dtype, {16, 4096}), y(dtype, {16, 4096}), expected(dtype, {16, 4096});
    for (int64_t i = 0; i < 65536; ++i) {
      x.view().row<uint16_t>(i / 4096)[i % 4096] = static_cast<uint16_t>(i);
    }
    RunNative(programs[0], "silu", {x}, {y});
    RunGpu("silu", "gpu", {x}, {expected});
    ExpectSame(y, expected);
  }
}

const std::string kStyles[] = {"llama", "gemma", "olmo"};

std::vector<NormCase> NormCases(int64_t heads) {
  std::vector<NormCase> cases;
  size_t turn = 0;  // styles and types of weights take turns
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t h : {1, 31, 64, 97, 128, 264, 576, 3000, 4096, 8192, 14344, 17000}) {
      if (heads > 1 && h > 300) continue;
      cases.push_back({dtype, testing::kFloatTypes[turn % 3], heads, h, kStyles[turn / 2 % 3]});
      ++turn;
    }
  }
  return cases;
}

void ExpectNormsEqual(int64_t heads) {
  const std::vector<NormCase> cases = NormCases(heads);
  std::vector<Program> programs;
  for (const NormCase& c : cases) programs.push_back(native::testing::RmsNorm(c));
  Build(programs);
  for (size_t i = 0; i < cases.size(); ++i) {
    const NormCase& c = cases[i];
    for (const Rows& rows : kRows) {
      SCOPED_TRACE(fmt::format("{} {} {} {}x{}x{} gap {}", c.style, Name(c.dtype), Name(c.weight),
                               rows.n, heads, c.h, rows.gap));
      const Tensor x = Tensor(c.dtype, {rows.n, heads, c.h}, rows.gap).Random(1, 3);
      const Tensor w = Tensor(c.weight, {c.h}).Random(2, 2);
      const Tensor y(c.dtype, {rows.n, heads, c.h}, rows.gap),
          expected(c.dtype, {rows.n, heads, c.h});
      RunNative(programs[i], "rms_norm", {x, w}, {y}, nullptr, rows.n > 100 ? 1 : 0);
      RunGpu("rms_norm", "gpu", {x, w}, {expected}, c.attrs());
      ExpectSame(y, expected);
      EXPECT_FALSE(y.AnyNan());
      RunNative(programs[i], "rms_norm", {x, w}, {x});  // in place
      ExpectSame(x, expected);
    }
  }
}
TEST_F(GpuNative, RmsNormEqualsKernel) { ExpectNormsEqual(1); }
TEST_F(GpuNative, RmsNormOfHeadsEqualsKernel) { ExpectNormsEqual(5); }

// Results in memory of their own, or each where its operand lies, or one of the two.
TEST_F(GpuNative, AddRmsNormEqualsKernel) {
  const std::vector<NormCase> cases = NormCases(1);
  std::vector<Program> programs;
  for (const NormCase& c : cases) programs.push_back(native::testing::AddRmsNorm(c));
  Build(programs);
  for (size_t i = 0; i < cases.size(); ++i) {
    const NormCase& c = cases[i];
    for (const Rows& rows : {Rows{3, 3}, Rows{70, 8}}) {
      SCOPED_TRACE(fmt::format("{} {} {} {}x{} gap {}", c.style, Name(c.dtype), Name(c.weight),
                               rows.n, c.h, rows.gap));
      const Tensor a = Tensor(c.dtype, {rows.n, c.h}, rows.gap).Random(1, 3);
      const Tensor b = Tensor(c.dtype, {rows.n, c.h}, 8).Random(2, 3);
      const Tensor w = Tensor(c.weight, {c.h}).Random(3, 2);
      const Tensor sum(c.dtype, {rows.n, c.h}), normed(c.dtype, {rows.n, c.h});
      RunGpu("add_rms_norm", "gpu", {a, b, w}, {sum, normed}, c.attrs());
      for (const int alias : {0, 1, 2, 3}) {
        const Tensor x = a, add = b, new_sum(c.dtype, {rows.n, c.h}, 8),
                     new_y(c.dtype, {rows.n, c.h}, rows.gap);
        const Tensor& s = (alias & 1) != 0 ? x : new_sum;
        const Tensor& y = (alias & 2) != 0 ? add : new_y;
        RunNative(programs[i], "add_rms_norm", {x, add, w}, {s, y});
        ExpectSame(s, sum);
        ExpectSame(y, normed);
      }
    }
  }
}

TEST_F(GpuNative, TwoNormsInARowEqualKernels) {
  std::vector<NormCase> cases;
  for (const int64_t h : {97, 264, 2048, 9000, 17000}) {
    cases.push_back({DType::kBF16, DType::kF32, 1, h, "gemma"});
    cases.push_back({DType::kF32, DType::kF32, 1, h, "llama"});
  }
  std::vector<Program> programs;
  for (const NormCase& c : cases) programs.push_back(native::testing::NormAddNorm(c));
  Build(programs);
  for (size_t i = 0; i < cases.size(); ++i) {
    const NormCase& c = cases[i];
    SCOPED_TRACE(fmt::format("{} {} {}", c.style, Name(c.dtype), c.h));
    const Tensor x = Tensor(c.dtype, {7, c.h}, 8).Random(1, 3);
    const Tensor residual = Tensor(c.dtype, {7, c.h}).Random(2, 3);
    const Tensor w = Tensor(c.weight, {c.h}).Random(3, 2),
                 w2 = Tensor(c.weight, {c.h}).Random(4, 2);
    const Tensor normed(c.dtype, {7, c.h}), sum(c.dtype, {7, c.h}), y(c.dtype, {7, c.h});
    RunGpu("rms_norm", "gpu", {x, w}, {normed}, c.attrs());
    RunGpu("add_rms_norm", "gpu", {normed, residual, w2}, {sum, y}, c.attrs());
    // In place: the sum where the residual lies, the result where x does.
    RunNative(programs[i], "add_rms_norm", {x, w, residual, w2}, {residual, x});
    ExpectSame(residual, sum);
    ExpectSame(x, y);
  }
}

TEST_F(GpuNative, EmbedEqualsKernel) {
  std::vector<Program> programs;
  for (const DType table : testing::kFloatTypes) {
    for (const int64_t h : {40, 37}) {
      programs.push_back(native::testing::Embed(table, DType::kBF16, h));
    }
  }
  Build(programs);
  size_t next = 0;
  const Tensor ids = Tensor::Ints({3, 0, 9, 9, 4});
  for (const DType table : testing::kFloatTypes) {
    for (const int64_t h : {40, 37}) {
      SCOPED_TRACE(fmt::format("{} {}", Name(table), h));
      const Tensor w = Tensor(table, {10, h}).Random(1, 3);
      const Tensor y(DType::kBF16, {5, h}, 8), expected(DType::kBF16, {5, h});
      RunNative(programs[next], "embed", {ids, w}, {y});
      RunGpu("embed", "gpu", {ids, w}, {expected}, {{"dtype", std::string("bf16")}});
      ExpectSame(y, expected);
      // An id of no row shows.
      RunNative(programs[next++], "embed", {Tensor::Ints({1, -1, 10, 2, 3}), w}, {y});
      EXPECT_TRUE(std::isnan(y.At(1, 0)) && std::isnan(y.At(2, h - 1)));
      EXPECT_FALSE(std::isnan(y.At(0, 0)) || std::isnan(y.At(3, h - 1)));
    }
  }
}

// One case of rope and what is fused with it.
struct Turned {
  RopeCase c;
  bool scaled;  // the cache

  std::string op() const {
    return std::string(c.norms() ? "qk_norm_rope" : "rope") + (c.writes ? "_kv_write" : "");
  }
  Attrs attrs() const {
    Attrs attrs{{"layout", c.layout}};
    if (!c.norms()) return attrs;
    attrs.Set("eps", 1e-5);
    attrs.Set("style", c.style);
    return attrs;
  }
};

struct Layout {
  int64_t n;
  int64_t gap;  // between packed rows of q, k and v
  int64_t angles_gap;
  bool tokens_first;  // in the pages of the cache
  bool in_place;
  int multiprocessors = 0;  // few: threads take two heads
};

template <class Fn>
Tensor Numbers(int64_t n, const Fn& fn) {
  std::vector<int32_t> numbers;
  for (int64_t i = 0; i < n; ++i) numbers.push_back(static_cast<int32_t>(fn(i)));
  return Tensor::Ints(numbers);
}

TensorView HeadsOf(const Tensor& packed, int64_t first, int64_t heads, int64_t d) {
  TensorView view = packed;
  view.data += first * d * static_cast<int64_t>(SizeOf(view.dtype));
  view.rank = 3;
  view.dims = {view.dims[0], heads, d};
  return view;
}

void ExpectTurnsAlike(const Turned& turned, const Program& program, const Layout& layout) {
  const RopeCase& c = turned.c;
  SCOPED_TRACE(fmt::format(
      "{} {} style '{}' n {} heads {}/{} d {}/{} {} into {} scaled {} gap {} "
      "tokens first {} in place {}",
      turned.op(), c.layout, c.style, layout.n, c.hq, c.hk, c.turned, c.d, Name(c.dtype),
      Name(c.cache), turned.scaled, layout.gap, layout.tokens_first, layout.in_place));
  const int64_t n = layout.n;
  const Tensor packed = Tensor(c.dtype, {n, (c.hq + 2 * c.hk) * c.d}, layout.gap).Random(1, 3);
  const Tensor qw = Tensor(c.q_weight, {c.d}).Random(4, 2);
  const Tensor kw = Tensor(c.k_weight, {c.d}).Random(5, 2);
  const Tensor cs = Angles(20, c.turned, layout.angles_gap);
  const Tensor pos = Numbers(n, [](int64_t i) { return (i * 7 + 3) % 20; });
  // Over the ends of pages, every fourth token stored nowhere.
  const Tensor slot = Numbers(n, [&](int64_t i) { return i % 4 == 1 ? -1 : n + 12 - i; });

  const auto run = [&](bool native, const Tensor& rows, const Tensor& q_out, const Tensor& k_out,
                       const KvLayerView& kv) {
    const TensorView q = HeadsOf(rows, 0, c.hq, c.d), k = HeadsOf(rows, c.hq, c.hk, c.d);
    std::vector<TensorView> in = {q, k};
    if (c.writes) in.push_back(HeadsOf(rows, c.hq + c.hk, c.hk, c.d));
    if (c.norms()) in.insert(in.end(), {qw, kw});
    in.insert(in.end(), {pos, cs});
    if (c.writes) in.push_back(slot);
    std::vector<TensorView> out = {layout.in_place ? q : q_out.view()};
    if (!c.writes) out.push_back(layout.in_place ? k : k_out.view());
    const KvLayerView* cache = c.writes ? &kv : nullptr;
    if (native) {
      RunNative(program, turned.op(), in, out, cache, layout.multiprocessors);
    } else {
      RunGpu(turned.op(), "gpu", in, out, turned.attrs(), cache);
    }
  };
  struct Results {
    Results(const RopeCase& c, const Turned& turned, const Layout& layout, const Tensor& packed)
        : rows(packed),
          q(c.dtype, {layout.n, c.hq, c.d}, layout.gap),
          k(c.dtype, {layout.n, c.hk, c.d}, layout.gap),
          cache(c.cache, (layout.n + 12) / kPageSize + 1, c.hk, c.d, layout.tokens_first,
                turned.scaled) {}
    Tensor rows, q, k;
    Cache cache;
  };
  Results mine(c, turned, layout, packed), other(c, turned, layout, packed);
  run(true, mine.rows, mine.q, mine.k, mine.cache.view);
  run(false, other.rows, other.q, other.k, other.cache.view);
  ExpectSame(mine.rows, other.rows);
  ExpectSame(mine.q, other.q);
  ExpectSame(mine.k, other.k);
  ExpectSame(mine.cache.k, other.cache.k);
  ExpectSame(mine.cache.v, other.cache.v);
}

// Heads that turn whole or in part, as octets or not.
constexpr struct {
  int64_t hq, hk, d, turned;
} kHeads[] = {{3, 1, 16, 16},  {4, 4, 64, 64},   {6, 2, 80, 20},   {5, 5, 80, 80}, {8, 2, 96, 96},
              {2, 2, 128, 64}, {8, 1, 128, 128}, {4, 1, 256, 256}, {3, 3, 40, 38}, {2, 1, 7, 6}};

// For each head and type some of the forms; all of them take turns.
std::vector<Turned> TurnedCases() {
  std::vector<Turned> cases;
  const std::string styles[] = {"", "llama", "gemma", "olmo"};
  size_t turn = 0;
  for (const auto& heads : kHeads) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const std::string layout : {"half", "interleaved"}) {
        for (const bool writes : {false, true}) {
          const testing::CacheKind kind = testing::kCacheKinds[turn % 5];
          const auto weight = [&](size_t i) { return testing::kFloatTypes[(turn + i) / 2 % 3]; };
          cases.push_back({{dtype, heads.hq, heads.hk, heads.d, heads.turned, layout,
                            styles[(turn / 2 + turn) % 4], weight(0), weight(1), writes, kind.dtype,
                            turn % 3 == 0},
                           kind.scaled});
          ++turn;
        }
      }
      ++turn;
    }
  }
  return cases;
}

TEST_F(GpuNative, RopeEqualsKernels) {
  const std::vector<Turned> cases = TurnedCases();
  std::vector<Program> programs;
  for (const Turned& turned : cases) programs.push_back(native::testing::Rope(turned.c));
  Build(programs);
  for (size_t i = 0; i < cases.size(); ++i) {
    const int64_t aligned = 4 + (4 - cases[i].c.turned % 4) % 4;  // floats
    ExpectTurnsAlike(cases[i], programs[i], {1, 0, aligned, false, false});
    ExpectTurnsAlike(cases[i], programs[i], {5, 8, aligned, true, true});
    ExpectTurnsAlike(cases[i], programs[i], {35, 3, 3, i % 2 == 0, i % 4 < 2});
    ExpectTurnsAlike(cases[i], programs[i], {21, 16, aligned, i % 2 != 0, false, 1});
  }
}

// So many tokens that threads take two heads, the last of them none.
TEST_F(GpuNative, RopeOfManyTokensEqualsKernels) {
  constexpr DType kBf = DType::kBF16, kF8 = DType::kF8E4M3;
  const std::vector<Turned> cases = {
      {{kBf, 5, 1, 64, 64, "half", "", kBf, kBf, true, kBf, true}, false},
      {{kBf, 5, 1, 128, 128, "half", "llama", kBf, kBf, true, kF8}, true},
      {{kBf, 3, 3, 96, 96, "interleaved", "", kBf, kBf, true, kF8}, false},
      {{DType::kF16, 5, 1, 80, 80, "half", "gemma", kBf, kBf, true, DType::kF16}, false}};
  std::vector<Program> programs;
  for (const Turned& turned : cases) programs.push_back(native::testing::Rope(turned.c));
  Build(programs);
  for (size_t i = 0; i < cases.size(); ++i) {
    ExpectTurnsAlike(cases[i], programs[i], {1000, 8, 4, false, false, 1});
    ExpectTurnsAlike(cases[i], programs[i], {3000, 8, 4, true, true});
  }
}

// Angles are loaded early, for the position that is seen then: here before the kernel in front has
// written the true one. In a graph, where kernels follow each other closely, that one takes longer
// than the launch.
TEST_F(GpuNative, RopeTurnsByPositionsOfTheKernelBefore) {
  constexpr int64_t kTokens = 4, kWidth = 2000000;
  const std::vector<int32_t> stale = {1, -1, 1 << 30, 4};
  Tensor x(DType::kBF16, {kTokens, kWidth});
  for (int64_t i = 0; i < kTokens; ++i) {
    std::ranges::fill_n(x.view().row<uint16_t>(i), kWidth, uint16_t{0});
    x.Set(i, 3 + 4 * i, 1);
  }
  const std::vector<Program> programs = {
      native::testing::Rope({DType::kBF16, 2, 2, 64, 64, "half"})};
  Build(programs);
  const Tensor pos = Tensor::Ints(stale), cs = Angles(20, 64, 4);
  const Tensor q = Tensor(DType::kBF16, {kTokens, 2, 64}).Random(1);
  const Tensor q_out(DType::kBF16, {kTokens, 2, 64}), k_out(DType::kBF16, {kTokens, 2, 64});
  const Tensor q_ref(DType::kBF16, {kTokens, 2, 64}), k_ref(DType::kBF16, {kTokens, 2, 64});
  RunGpu("rope", "gpu", {q, q, Tensor::Ints({3, 7, 11, 15}), cs}, {q_ref, k_ref},
         {{"layout", std::string("half")}});
  const Tensor how(DType::kF32, {kTokens, 3}), pick(DType::kI32, {kTokens, 2});
  for (int64_t i = 0; i < kTokens; ++i) {
    for (int64_t j = 0; j < 3; ++j) how.view().row<float>(i)[j] = 0;  // the likeliest
    for (int64_t j = 0; j < 2; ++j) pick.view().row<int32_t>(i)[j] = 0;
  }
  testing::GpuCall rope{"rope", "native", {q, q, pos, cs}, {q_out, k_out}, {}};
  rope.program = programs.data();
  testing::GpuRun run({{"sample", "gpu", {x, how, pick}, {pos}, {}}, rope});
  run.Launch();
  run.Download();
  const testing::CapturedGraph graph(run);
  std::ranges::copy(stale, pos.view().row<int32_t>(0));
  run.Upload();
  graph.Replay();
  run.Download();
  ExpectSame(q_out, q_ref);
  ExpectSame(k_out, k_ref);
}

// Values are stored by their bits: of equal types, a NaN keeps its payload.
TEST_F(GpuNative, ValuesKeepTheirBits) {
  constexpr DType kBf = DType::kBF16;
  const std::vector<Program> programs = {
      native::testing::Rope({kBf, 1, 1, 32, 32, "half", "", kBf, kBf, true, kBf})};
  Build(programs);
  const Tensor q = Tensor(kBf, {1, 1, 32}).Random(1), cs = Angles(1, 32);
  const Tensor v = Tensor(kBf, {1, 1, 32}).Random(2);
  v.view().row<uint16_t>(0)[3] = 0x7f81;  // a signalling NaN
  const Tensor zero = Tensor::Ints({0});
  Cache cache(kBf, 1, 1, 32, false);
  RunNative(programs[0], "rope_kv_write", {q, q, v, zero, cs, zero}, {Tensor(kBf, {1, 1, 32})},
            &cache.view);
  EXPECT_EQ(cache.v.view().row<uint16_t>(0)[3], 0x7f81);
}

// Code from a folder is the code that was compiled; a program of equal text takes none.
TEST_F(GpuNative, CodeIsKept) {
  const std::string folder = fmt::format("{}/rw_native_{}", ::testing::TempDir(), ::getpid());
  gpuDeviceProp properties;
  testing::ExpectSuccess(gpuGetDeviceProperties(&properties, 0));
  const std::string arch = fmt::format("sm_{}{}", properties.major, properties.minor);
  const Program program = native::testing::Activation(DType::kF32, 40, native::Code::kSilu, true);
  const Program equal = program;
  const std::array both = {&program, &equal};
  std::vector<std::string> notices;
  const auto notice = [&](const std::string& line) { notices.push_back(line); };
  const auto files = [&] {
    std::vector<std::filesystem::path> paths;
    for (const auto& file : std::filesystem::directory_iterator(folder)) paths.push_back(file);
    return paths;
  };
  for (const bool damaged : {false, false, true}) {
    if (damaged) std::filesystem::resize_file(files()[0], 1000);
    cuda::NativeCode code(arch, {folder, notice});
    const Status built = code.Build(both);
    ASSERT_TRUE(built.has_value()) << built.error().message;
    EXPECT_EQ(&code.Of(&program), &code.Of(&equal));
    EXPECT_EQ(files().size(), 1u);
    EXPECT_EQ(notices.size(), damaged ? 1u : 0u);
    EXPECT_GT(std::filesystem::file_size(files()[0]), 1000u);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace rw
