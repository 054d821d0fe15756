// Products with a norm before and more behind them in one kernel, against the kernels of the ops
// they stand for: equal in every bit, the whole cache included.
#include "kernels/gpu/testing.h"

namespace rw {
namespace {

using testing::Angles;
using testing::Cache;
using testing::ExpectSame;
using testing::GpuCall;
using testing::GpuRun;
using testing::Tensor;

class GpuLinearFused : public testing::GpuTest {};

constexpr std::array kDTypes = {DType::kBF16, DType::kF16};
constexpr std::array<std::string_view, 3> kStyles = {"llama", "gemma", "olmo"};

void RunCalls(std::vector<GpuCall> calls) {
  GpuRun run(std::move(calls));
  run.Launch();
  run.Download();
}

// A step of n tokens with rows of k, with and without a norm and biases. Rows are `gap` elements
// apart: of a multiple of 8 they are read 16 bytes at a time if k allows it.
struct Case {
  int64_t n, k;
  int64_t gap = 0;
  DType dtype = DType::kBF16;
  std::string_view norm = {};  // its style; empty: none
  DType norm_dtype = DType::kBF16;
  bool biased = false;

  std::string Name() const {
    return fmt::format("n {} k {} gap {} {} norm {} biased {}", n, k, gap, rw::Name(dtype), norm,
                       biased);
  }
  Attrs NormAttrs() const { return {{"eps", 1e-5}, {"style", std::string(norm)}}; }
  Attrs With(Attrs attrs) const {
    if (norm.empty()) return attrs;
    attrs.Set("eps", 1e-5);
    attrs.Set("style", std::string(norm));
    return attrs;
  }
  std::string Op(std::string_view op) const {
    return fmt::format("{}{}", norm.empty() ? "" : "rms_norm_", op);
  }
};

// The cases of every form: each size of block work, chunks of x, ends of rows, alignments.
std::vector<Case> Cases() {
  std::vector<Case> cases = {{1, 64},       {3, 100, 3},  {8, 520, 8},   {9, 2048},
                             {16, 4096, 8}, {2, 8200, 0}, {16, 9216, 0}, {5, 37, 1}};
  const std::vector<Case> plain = cases;
  for (const std::string_view style : kStyles) {
    for (Case c : plain) {
      c.norm = style;
      c.norm_dtype = style == "gemma" ? DType::kF32 : DType::kBF16;
      c.biased = c.n % 2 == 0;
      c.dtype = c.n > 8 ? DType::kF16 : DType::kBF16;
      cases.push_back(c);
    }
  }
  return cases;
}

// x and what a norm needs, and W and bias of any product of it.
struct Operands {
  explicit Operands(const Case& c)
      : of(c),
        x(Tensor(c.dtype, {c.n, c.k}, c.gap).Random(1, 3)),
        norm(Tensor(c.norm_dtype, {c.k}).Random(2)),
        normed(c.dtype, {c.n, c.k}) {}

  Tensor W(int64_t m, uint32_t seed) const {
    return Tensor(of.dtype, {m, of.k}, of.gap).Random(seed, 0.2f);
  }
  Tensor Bias(int64_t m, uint32_t seed) const { return Tensor(of.dtype, {m}).Random(seed); }

  // x, norm weight, then `ws`, `extra` and `biases` as the fused op takes them.
  std::vector<TensorView> In(std::vector<TensorView> ws, const std::vector<TensorView>& extra,
                             const std::vector<TensorView>& biases) const {
    std::vector<TensorView> in = {x};
    if (!of.norm.empty()) in.push_back(norm);
    for (const TensorView& w : ws) in.push_back(w);
    for (const TensorView& e : extra) in.push_back(e);
    for (const TensorView& b : biases) {
      if (of.biased) in.push_back(b);
    }
    return in;
  }
  // The norm, if there is one, and the products of its result.
  std::vector<GpuCall> Products(std::string op, const std::vector<TensorView>& ws,
                                const std::vector<TensorView>& biases,
                                std::vector<TensorView> out) const {
    std::vector<GpuCall> calls;
    if (!of.norm.empty()) {
      calls.push_back({"rms_norm", gpu::kProvider, {x, norm}, {normed}, of.NormAttrs()});
    }
    std::vector<TensorView> in = {of.norm.empty() ? x : normed};
    in.insert(in.end(), ws.begin(), ws.end());
    if (of.biased) in.insert(in.end(), biases.begin(), biases.end());
    calls.push_back({std::move(op), gpu::kProvider, std::move(in), std::move(out)});
    return calls;
  }

  Case of;
  Tensor x, norm, normed;
};

TEST_F(GpuLinearFused, LinearAdd) {
  for (const Case& c : Cases()) {
    if (!c.norm.empty()) continue;
    for (const DType dtype : kDTypes) {
      Case typed = c;
      typed.dtype = dtype;
      typed.biased = dtype == DType::kF16;
      SCOPED_TRACE(typed.Name());
      const Operands o(typed);
      for (const int64_t m : {1, 24, 600}) {
        const Tensor w = o.W(m, 3), b = o.Bias(m, 4);
        const Tensor add = Tensor(dtype, {c.n, m}, c.gap).Random(5, 20);
        const Tensor y(dtype, {c.n, m}, c.gap), product(dtype, {c.n, m}), sum(dtype, {c.n, m});
        RunCalls({{"linear_add", gpu::kProvider, o.In({w}, {add}, {b}), {y}}});
        std::vector<GpuCall> calls = o.Products("linear", {w}, {b}, {product});
        calls.push_back({"add", gpu::kProvider, {add, product}, {sum}});
        RunCalls(std::move(calls));
        ExpectSame(y, sum);
        EXPECT_FALSE(y.AnyNan());
      }
    }
  }
}

TEST_F(GpuLinearFused, NormAndProducts) {
  for (const Case& c : Cases()) {
    if (c.norm.empty()) continue;
    SCOPED_TRACE(c.Name());
    const Operands o(c);
    constexpr std::array<int64_t, 3> kRows = {72, 9, 40};
    std::vector<Tensor> ws, bs, fused, plain;
    for (const int64_t m : kRows) {
      const auto seed = static_cast<uint32_t>(m);
      ws.push_back(o.W(m, seed));
      bs.push_back(o.Bias(m, seed + 1));
      fused.emplace_back(c.dtype, std::vector{c.n, m}, c.gap);
      plain.emplace_back(c.dtype, std::vector{c.n, m});
    }
    const auto first = [](const std::vector<Tensor>& all, size_t count) {
      return std::vector<TensorView>(all.begin(), all.begin() + static_cast<int64_t>(count));
    };
    for (const size_t count : {1, 2, 3}) {
      const std::string op = count == 1 ? "linear" : fmt::format("linear{}", count);
      RunCalls({{"rms_norm_" + op, gpu::kProvider, o.In(first(ws, count), {}, first(bs, count)),
                 first(fused, count), c.NormAttrs()}});
      RunCalls(o.Products(op, first(ws, count), first(bs, count), first(plain, count)));
      for (size_t i = 0; i < count; ++i) ExpectSame(fused[i], plain[i]);
      EXPECT_FALSE(fused[0].AnyNan());
    }
  }
}

TEST_F(GpuLinearFused, GateAndUp) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.Name());
    const Operands o(c);
    for (const std::string act : {"silu", "gelu", "gelu_tanh"}) {
      for (const int64_t m : {5, 64, 300}) {
        const Tensor w0 = o.W(m, 3), w1 = o.W(m, 4), b0 = o.Bias(m, 5), b1 = o.Bias(m, 6);
        const Tensor y(c.dtype, {c.n, m}, c.gap), gate(c.dtype, {c.n, m}), up(c.dtype, {c.n, m});
        const Tensor expected(c.dtype, {c.n, m});
        RunCalls({{c.Op("linear2_act_mul"),
                   gpu::kProvider,
                   o.In({w0, w1}, {}, {b0, b1}),
                   {y},
                   c.With({{"act", act}})}});
        std::vector<GpuCall> calls = o.Products("linear2", {w0, w1}, {b0, b1}, {gate, up});
        calls.push_back({act + "_mul", gpu::kProvider, {gate, up}, {expected}});
        RunCalls(std::move(calls));
        ExpectSame(y, expected);
        EXPECT_FALSE(y.AnyNan());
      }
    }
  }
}

struct Heads {
  int64_t hq, hk, d, r;
};

void ExpectRopeSame(const Case& c, const Heads& h, const std::string& layout,
                    const testing::CacheKind& kind, bool tokens_first) {
  SCOPED_TRACE(fmt::format("{}; {}/{} heads of {}, {} turn, {}, cache {}", c.Name(), h.hq, h.hk,
                           h.d, h.r, layout, Name(kind.dtype)));
  const Operands o(c);
  const int64_t mq = h.hq * h.d, mk = h.hk * h.d;
  const Tensor wq = o.W(mq, 3), wk = o.W(mk, 4), wv = o.W(mk, 5);
  const Tensor bq = o.Bias(mq, 6), bk = o.Bias(mk, 7), bv = o.Bias(mk, 8);
  std::vector<int32_t> positions, slots;
  for (int32_t i = 0; i < c.n; ++i) {
    positions.push_back(i * 7 % 31);
    slots.push_back(i % 5 == 3 ? -1 : i * 11 % 48);  // padding among them
  }
  const Tensor pos = Tensor::Ints(positions), slot = Tensor::Ints(slots);
  const Tensor cs = Angles(31, h.r);
  const Cache fused_cache(kind.dtype, 3, h.hk, h.d, tokens_first, kind.scaled);
  const Cache cache(kind.dtype, 3, h.hk, h.d, tokens_first, kind.scaled);
  const auto heads = [&](const Tensor& rows, int64_t count) {
    TensorView view = rows;
    view.rank = 3;
    view.dims = {c.n, count, h.d};
    return view;
  };
  const Tensor q(c.dtype, {c.n, mq}, c.gap), q_ref(c.dtype, {c.n, mq});
  const Tensor k(c.dtype, {c.n, mk}), v(c.dtype, {c.n, mk});
  RunCalls({{c.Op("linear3_rope_kv_write"),
             gpu::kProvider,
             o.In({wq, wk, wv}, {pos, cs, slot}, {bq, bk, bv}),
             {heads(q, h.hq)},
             c.With({{"d", h.d}, {"layout", layout}}),
             &fused_cache.view}});
  std::vector<GpuCall> calls = o.Products("linear3", {wq, wk, wv}, {bq, bk, bv}, {q_ref, k, v});
  calls.push_back({"rope_kv_write",
                   gpu::kProvider,
                   {heads(q_ref, h.hq), heads(k, h.hk), heads(v, h.hk), pos, cs, slot},
                   {heads(q_ref, h.hq)},
                   {{"layout", layout}},
                   &cache.view});
  RunCalls(std::move(calls));
  ExpectSame(q, q_ref);
  ExpectSame(fused_cache.k, cache.k);
  ExpectSame(fused_cache.v, cache.v);
  EXPECT_FALSE(q.AnyNan());
}

TEST_F(GpuLinearFused, RopeAndCache) {
  for (const std::string layout : {"half", "interleaved"}) {
    for (const Heads& h : {Heads{4, 2, 64, 64},
                           {2, 1, 128, 128},
                           {3, 3, 80, 20},
                           {2, 2, 96, 48},
                           {1, 1, 256, 256},
                           {5, 1, 18, 6}}) {
      for (const bool tokens_first : {false, true}) {
        ExpectRopeSame({3, 136}, h, layout, {DType::kBF16, false}, tokens_first);
      }
    }
    for (const testing::CacheKind& kind : testing::kCacheKinds) {
      ExpectRopeSame({7, 264, 8, DType::kF16, "llama", DType::kF16, true}, {2, 1, 64, 32}, layout,
                     kind, true);
    }
  }
  for (const Case& c : Cases()) {
    ExpectRopeSame(c, {4, 2, 64, 64}, "half", {DType::kBF16, false}, true);
  }
}

}  // namespace
}  // namespace rw
