// rope and its fused forms on the GPU: equal to the reference and to what they stand for, in every
// bit, the whole cache included.
#include "kernels/gpu/testing.h"

namespace rw {
namespace {

using testing::Angles;
using testing::Cache;
using testing::CopyRows;
using testing::ExpectSame;
using testing::RunGpu;
using testing::RunOp;
using testing::Tensor;

// A gap after which rows of r floats are aligned to 16 bytes: what the fast kernel needs.
int64_t AlignedGap(int64_t r) { return 4 + (4 - r % 4) % 4; }

class GpuRope : public testing::GpuTest {};

struct Turn {
  int64_t d, r;
};

TEST_F(GpuRope, EqualsReference) {
  const Tensor pos = Tensor::Ints({0, 7, 3, 3, 19});
  for (const std::string layout : {"half", "interleaved"}) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const Turn c : {Turn{64, 64},
                           {80, 20},
                           {96, 96},
                           {128, 64},
                           {128, 128},
                           {256, 256},
                           {6, 2},
                           {7, 6},
                           {40, 38}}) {
        SCOPED_TRACE(fmt::format("{} {} {} {}", layout, Name(dtype), c.d, c.r));
        const Attrs attrs{{"layout", layout}};
        for (const bool aligned : {true, false}) {
          const Tensor cs = Angles(20, c.r, aligned ? AlignedGap(c.r) : 3);
          const Tensor q = Tensor(dtype, {5, 3, c.d}, 8).Random(1);
          const Tensor k = Tensor(dtype, {5, 1, c.d}, aligned ? 16 : 7).Random(2);
          const Tensor q_out(dtype, {5, 3, c.d}), k_out(dtype, {5, 1, c.d}, aligned ? 8 : 1);
          const Tensor q_ref(dtype, {5, 3, c.d}), k_ref(dtype, {5, 1, c.d});
          RunGpu("rope", "gpu", {q, k, pos, cs}, {q_out, k_out}, attrs);
          RunOp("rope", "reference", {q, k, pos, cs}, {q_ref, k_ref}, attrs);
          ExpectSame(q_out, q_ref);
          ExpectSame(k_out, k_ref);
          EXPECT_FALSE(q_out.AnyNan() || k_out.AnyNan());
          RunGpu("rope", "gpu", {q, k, pos, cs}, {q, k}, attrs);  // in place
          ExpectSame(q, q_ref);
          ExpectSame(k, k_ref);
        }
      }
    }
  }
}

struct Case {
  int64_t n, hq, hk, d, r;
};
struct Types {
  DType dtype, qw, kw;
  testing::CacheKind kv;
};
struct Form {
  std::string style;  // empty: without norms
  std::string layout;
  bool writes;
  bool in_place;
  bool tokens_first;  // in the pages of the cache

  Attrs attrs() const {
    Attrs attrs{{"layout", layout}};
    if (style.empty()) return attrs;
    attrs.Set("eps", 1e-5);
    attrs.Set("style", style);
    return attrs;
  }
};

// q, k and v are columns of packed rows, as a fused projection leaves them.
struct Heads {
  Heads(const Case& c, const Tensor& packed)
      : q(View(c, packed, 0, c.hq)),
        k(View(c, packed, c.hq, c.hk)),
        v(View(c, packed, c.hq + c.hk, c.hk)) {}
  static TensorView View(const Case& c, TensorView packed, int64_t first, int64_t count) {
    packed.data += first * c.d * static_cast<int64_t>(SizeOf(packed.dtype));
    packed.rank = 3;
    packed.dims = {c.n, count, c.d};
    return packed;
  }
  TensorView q, k, v;
};

// One case on operands of one kind, its results where a form says.
class Fused {
 public:
  Fused(const Case& c, const Types& t, const Tensor& packed)
      : c_(c),
        t_(t),
        packed_(packed),
        qw_(Tensor(t.qw, {c.d}).Random(4, 2)),
        kw_(Tensor(t.kw, {c.d}).Random(5, 2)),
        cs_(Angles(20, c.r, c.n % 2 == 1 ? AlignedGap(c.r) : 3)),
        pos_(Numbers(c.n, [](int64_t i) { return (i * 7 + 3) % 20; })),
        // Over the ends of pages, every fourth token stored nowhere.
        slot_(Numbers(c.n, [&](int64_t i) { return i % 4 == 1 ? -1 : c.n + 12 - i; })) {}

  // Against the ops that the fused one stands for, on the device.
  void ExpectEqualsItsOps(const Form& form) const {
    Cache expected = MakeCache(form), cache = MakeCache(form);
    const Tensor rows = packed_;
    const Heads heads(c_, rows), before(c_, packed_);
    const Attrs attrs = form.attrs();
    if (!form.style.empty()) {
      RunGpu("rms_norm", "gpu", {heads.q, qw_}, {heads.q}, attrs);
      RunGpu("rms_norm", "gpu", {heads.k, kw_}, {heads.k}, attrs);
    }
    RunGpu("rope", "gpu", {heads.q, heads.k, pos_, cs_}, {heads.q, heads.k}, attrs);
    if (form.writes) {
      RunGpu("kv_write", "gpu", {heads.k, heads.v, slot_}, {}, {}, &expected.view);
      CopyRows(before.k, heads.k);  // the fused op leaves k as it is
    }
    ExpectResult(form, rows, expected, cache);
  }

  // Against the reference's fused op, for operands whose sums are exact.
  void ExpectEqualsReference(const Form& form) const {
    Cache expected = MakeCache(form), cache = MakeCache(form);
    const Tensor rows = packed_;
    const Heads heads(c_, rows);
    std::vector<TensorView> out = {heads.q};
    if (!form.writes) out.push_back(heads.k);
    RunOp(Op(form), "reference", Operands(form, heads), out, form.attrs(), 1,
          form.writes ? &expected.view : nullptr);
    ExpectResult(form, rows, expected, cache);
  }

 private:
  template <class Fn>
  static Tensor Numbers(int64_t n, const Fn& fn) {
    std::vector<int32_t> numbers;
    for (int64_t i = 0; i < n; ++i) numbers.push_back(static_cast<int32_t>(fn(i)));
    return Tensor::Ints(numbers);
  }
  static std::string Op(const Form& form) {
    return std::string(form.style.empty() ? "rope" : "qk_norm_rope") +
           (form.writes ? "_kv_write" : "");
  }
  Cache MakeCache(const Form& form) const {
    return {t_.kv.dtype, (c_.n + 12) / kPageSize + 1, c_.hk, c_.d, form.tokens_first, t_.kv.scaled};
  }
  std::vector<TensorView> Operands(const Form& form, const Heads& heads) const {
    std::vector<TensorView> in = {heads.q, heads.k};
    if (form.writes) in.push_back(heads.v);
    if (!form.style.empty()) in.insert(in.end(), {qw_, kw_});
    in.insert(in.end(), {pos_, cs_});
    if (form.writes) in.push_back(slot_);
    return in;
  }
  // Runs the fused op and compares packed rows and the cache.
  void ExpectResult(const Form& form, const Tensor& rows, const Cache& expected,
                    Cache& cache) const {
    const Tensor fused_rows = packed_;
    const Heads heads(c_, fused_rows);
    const Tensor q_out(t_.dtype, {c_.n, c_.hq, c_.d}, 8),
        k_out(t_.dtype, {c_.n, c_.hk, c_.d}, c_.n % 2 == 1 ? 8 : 1);
    std::vector<TensorView> out = {form.in_place ? heads.q : q_out.view()};
    if (!form.writes) out.push_back(form.in_place ? heads.k : k_out.view());
    RunGpu(Op(form), "gpu", Operands(form, heads), out, form.attrs(),
           form.writes ? &cache.view : nullptr);
    if (!form.in_place) {
      ExpectSame(fused_rows, packed_);
      EXPECT_TRUE(q_out.CanariesLive() && k_out.CanariesLive());
      CopyRows(q_out, heads.q);
      if (!form.writes) CopyRows(k_out, heads.k);
    }
    ExpectSame(fused_rows, rows);
    ExpectSame(cache.k, expected.k);
    ExpectSame(cache.v, expected.v);
  }

  Case c_;
  Types t_;
  Tensor packed_, qw_, kw_, cs_, pos_, slot_;
};

// Every form of fused op; the place of the results and the order of pages take turns.
template <class Fn>
void ForEachForm(const Fn& fn) {
  int turn = 0;
  for (const std::string style : {"", "llama", "gemma", "olmo"}) {
    for (const std::string layout : {"half", "interleaved"}) {
      for (const bool writes : {false, true}) {
        if (style.empty() && !writes) continue;  // rope itself
        const Form form{style, layout, writes, turn % 2 == 0, turn / 2 % 2 == 0};
        SCOPED_TRACE(fmt::format("style '{}' {} writes {} in place {} tokens first {}", style,
                                 layout, writes, form.in_place, form.tokens_first));
        fn(form);
        ++turn;
      }
    }
  }
}

// One token, every kind of head and of partial rotation, many tokens.
const Case kCases[] = {{5, 3, 1, 16, 16},   {1, 4, 4, 64, 64},   {70, 5, 1, 64, 64},
                       {5, 6, 2, 80, 20},   {3, 8, 2, 96, 96},   {4, 2, 2, 128, 64},
                       {9, 8, 1, 128, 128}, {2, 4, 1, 256, 256}, {6, 3, 3, 40, 38},
                       {3, 2, 1, 7, 6}};

Tensor Packed(const Case& c, DType dtype, int64_t gap) {
  return Tensor(dtype, {c.n, (c.hq + 2 * c.hk) * c.d}, gap).Random(1, 3);
}
std::string Trace(const Case& c, const Types& t) {
  return fmt::format("n {} heads {}/{} d {}/{} {} into {} scaled {}", c.n, c.hq, c.hk, c.r, c.d,
                     Name(t.dtype), Name(t.kv.dtype), t.kv.scaled);
}

TEST_F(GpuRope, FusedEqualsItsOps) {
  const auto& w = testing::kFloatTypes;
  size_t turn = 0;  // kinds of caches and types of weights take turns
  for (const DType dtype : testing::kFloatTypes) {
    for (const Case& c : kCases) {
      const Types t{dtype, w[turn % 3], w[turn / 2 % 3], testing::kCacheKinds[turn % 5]};
      ++turn;
      SCOPED_TRACE(Trace(c, t));
      const Fused fused(c, t, Packed(c, dtype, turn % 2 == 0 ? 3 : 8));
      ForEachForm([&](const Form& form) { fused.ExpectEqualsItsOps(form); });
    }
  }
}

TEST_F(GpuRope, FusedEqualsItsOpsInEveryCache) {
  const Case c{6, 4, 2, 128, 128};
  for (const DType dtype : testing::kFloatTypes) {
    for (const testing::CacheKind kind : testing::kCacheKinds) {
      const Types t{dtype, dtype, dtype, kind};
      SCOPED_TRACE(Trace(c, t));
      const Fused fused(c, t, Packed(c, dtype, 0));
      for (const bool tokens_first : {false, true}) {
        fused.ExpectEqualsItsOps({"", "half", true, false, tokens_first});
        fused.ExpectEqualsItsOps({"llama", "half", true, true, tokens_first});
      }
    }
  }
}

TEST_F(GpuRope, FusedEqualsReferenceOnWholeNumbers) {
  size_t turn = 0;
  for (const DType dtype : testing::kFloatTypes) {
    for (const Case& c : {Case{5, 3, 1, 64, 64}, {3, 8, 2, 128, 64}, {2, 2, 2, 256, 256}}) {
      const Types t{dtype, dtype, dtype, testing::kCacheKinds[turn++ % 5]};
      SCOPED_TRACE(Trace(c, t));
      const Fused fused(c, t, testing::Integers(dtype, {c.n, (c.hq + 2 * c.hk) * c.d}, 1, 15, 8));
      ForEachForm([&](const Form& form) { fused.ExpectEqualsReference(form); });
    }
  }
}

// So many tokens that threads take two heads, the last of them none.
TEST_F(GpuRope, TakesManyTokens) {
  const Case cases[] = {{6000, 5, 1, 64, 64}, {4000, 5, 1, 96, 96}, {2400, 3, 3, 128, 64}};
  for (const Case& c : cases) {
    const bool fp8 = c.d != 96;
    const Types t{
        DType::kBF16, DType::kBF16, DType::kF32, {fp8 ? DType::kF8E4M3 : DType::kBF16, fp8}};
    SCOPED_TRACE(Trace(c, t));
    const Fused fused(c, t, Packed(c, DType::kBF16, 8));
    ForEachForm([&](const Form& form) { fused.ExpectEqualsItsOps(form); });
    fused.ExpectEqualsReference({"", "half", true, false, false});
    fused.ExpectEqualsReference({"", "interleaved", true, true, true});
  }
}

// Angles are loaded early, for the position that is seen then: here before the kernel in front has
// written the true one. In a graph, where kernels follow each other closely, that one takes longer
// than the launch.
TEST_F(GpuRope, TurnsByPositionsOfTheKernelBefore) {
  constexpr int64_t kTokens = 4, kPositions = 20, kWidth = 2000000;
  const std::vector<int32_t> stale = {1, -1, 1 << 30, 4};
  Tensor x(DType::kBF16, {kTokens, kWidth});
  for (int64_t i = 0; i < kTokens; ++i) {
    std::ranges::fill_n(x.view().row<uint16_t>(i), kWidth, uint16_t{0});
    x.Set(i, 3 + 4 * i, 1);
  }
  const Tensor pos = Tensor::Ints(stale), cs = Angles(kPositions, 64, 4);
  const Tensor q = Tensor(DType::kBF16, {kTokens, 2, 64}).Random(1);
  const Tensor q_out(DType::kBF16, {kTokens, 2, 64}), k_out(DType::kBF16, {kTokens, 2, 64});
  const Tensor q_ref(DType::kBF16, {kTokens, 2, 64}), k_ref(DType::kBF16, {kTokens, 2, 64});
  const Attrs attrs{{"layout", std::string("half")}};
  RunOp("rope", "reference", {q, q, Tensor::Ints({3, 7, 11, 15}), cs}, {q_ref, k_ref}, attrs);
  const Tensor how(DType::kF32, {kTokens, 3}), pick(DType::kI32, {kTokens, 2});
  for (int64_t i = 0; i < kTokens; ++i) {
    for (int64_t j = 0; j < 3; ++j) how.view().row<float>(i)[j] = 0;  // the likeliest
    for (int64_t j = 0; j < 2; ++j) pick.view().row<int32_t>(i)[j] = 0;
  }
  testing::GpuRun run({{"sample", "gpu", {x, how, pick}, {pos}, {}},
                       {"rope", "gpu", {q, q, pos, cs}, {q_out, k_out}, attrs}});
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
TEST_F(GpuRope, ValuesKeepTheirBits) {
  const Tensor q = Tensor(DType::kBF16, {1, 1, 32}).Random(1), cs = Angles(1, 32);
  const Tensor v = Tensor(DType::kBF16, {1, 1, 32}).Random(2);
  v.view().row<uint16_t>(0)[3] = 0x7f81;  // a signalling NaN
  const Tensor zero = Tensor::Ints({0});
  Cache cache(DType::kBF16, 1, 1, 32, false);
  RunGpu("rope_kv_write", "gpu", {q, q, v, zero, cs, zero}, {Tensor(DType::kBF16, {1, 1, 32})},
         {{"layout", std::string("half")}}, &cache.view);
  EXPECT_EQ(cache.v.view().row<uint16_t>(0)[3], 0x7f81);
}

}  // namespace
}  // namespace rw
