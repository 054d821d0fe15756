// Fused ops against what they stand for: the kernels of the same provider one after the other, bit
// for bit, whatever the types, the strides, the threads and the place of the results.
#include "kernels/cpu/testing.h"

namespace rw {
namespace {

using testing::Angles;
using testing::Cache;
using testing::ForEachProvider;
using testing::RunOp;
using testing::Tensor;

constexpr std::array<std::string_view, 3> kStyles = {"llama", "gemma", "olmo"};

void ExpectSame(const Tensor& fused, const Tensor& expected) {
  EXPECT_TRUE(fused.Same(expected));
  EXPECT_TRUE(fused.CanariesLive());
}

struct RowCase {
  int64_t n, h, gap;
};
// The last is work for more than one thread.
const RowCase kRowCases[] = {{1, 1, 0},   {1, 37, 0},  {3, 64, 2},  {2, 97, 1},
                             {70, 33, 3}, {65, 40, 0}, {3, 9000, 0}};

TEST(ActMul, EqualsActThenMul) {
  ForEachProvider([](std::string_view provider) {
    for (const std::string act : {"silu", "gelu", "gelu_tanh"}) {
      for (const DType dtype : testing::kFloatTypes) {
        for (const RowCase& c : kRowCases) {
          SCOPED_TRACE(fmt::format("{} {} {} {}x{}", provider, act, Name(dtype), c.n, c.h));
          const Tensor up = Tensor(dtype, {c.n, c.h}, c.gap + 1).Random(2, 3);
          Tensor gate = Tensor(dtype, {c.n, c.h}, c.gap).Random(1, 9);
          gate.Set(0, 0, std::numeric_limits<float>::quiet_NaN());
          gate.Set(0, c.h / 2, -std::numeric_limits<float>::infinity());
          const Tensor activated(dtype, {c.n, c.h}), expected(dtype, {c.n, c.h});
          RunOp(act, provider, {gate}, {activated});
          RunOp("mul", provider, {activated, up}, {expected});
          for (const int threads : {1, 3}) {
            const Tensor y(dtype, {c.n, c.h}, 2), in_place = gate;
            RunOp(act + "_mul", provider, {gate, up}, {y}, {}, threads);
            RunOp(act + "_mul", provider, {in_place, up}, {in_place}, {}, threads);
            ExpectSame(y, expected);
            ExpectSame(in_place, expected);
          }
        }
      }
    }
  });
}

// Results in memory of their own, or each where its operand lies, or one of the two.
void ExpectAddsThenNorms(std::string_view provider, const Tensor& a, const Tensor& b,
                         const Tensor& w, const Attrs& attrs) {
  const std::vector<int64_t> dims = {a.view().dims[0], a.view().dims[1]};
  const DType dtype = a.view().dtype;
  const Tensor sum(dtype, dims), normed(dtype, dims);
  RunOp("add", provider, {a, b}, {sum});
  RunOp("rms_norm", provider, {sum, w}, {normed}, attrs);
  for (const int alias : {0, 1, 2, 3}) {
    const Tensor x = a, add = b, new_sum(dtype, dims, 2), new_y(dtype, dims, 3);
    const Tensor& s = (alias & 1) != 0 ? x : new_sum;
    const Tensor& y = (alias & 2) != 0 ? add : new_y;
    RunOp("add_rms_norm", provider, {x, add, w}, {s, y}, attrs, alias % 2 == 0 ? 1 : 3);
    ExpectSame(s, sum);
    ExpectSame(y, normed);
  }
}

TEST(AddRmsNorm, EqualsAddThenRmsNorm) {
  ForEachProvider([](std::string_view provider) {
    for (const std::string_view style : kStyles) {
      for (const DType dtype : testing::kFloatTypes) {
        for (const DType w_dtype : testing::kFloatTypes) {
          for (const RowCase& c : kRowCases) {
            if (c.h > 1000 && w_dtype != dtype) continue;  // nothing new, only slow
            SCOPED_TRACE(fmt::format("{} {} {} {} {}x{}", provider, style, Name(dtype),
                                     Name(w_dtype), c.n, c.h));
            const Tensor a = Tensor(dtype, {c.n, c.h}, c.gap).Random(1, 3);
            const Tensor b = Tensor(dtype, {c.n, c.h}, c.gap + 1).Random(2, 3);
            const Tensor w = Tensor(w_dtype, {c.h}).Random(3, 2);
            ExpectAddsThenNorms(provider, a, b, w, {{"eps", 1e-5}, {"style", std::string(style)}});
          }
        }
      }
    }
  });
}

struct Product {
  int64_t m;
  DType w, b;
};
struct LinearCase {
  int64_t n, k;
  std::vector<Product> products;
};

// Every number of biases, the last ones missing.
void ExpectManyLinears(std::string_view provider, DType dtype, const LinearCase& c) {
  const size_t count = c.products.size();
  const Tensor x = Tensor(dtype, {c.n, c.k}, 3).Random(1);
  for (size_t biases = 0; biases <= count; ++biases) {
    std::vector<TensorView> in = {x}, out;
    std::vector<Tensor> owned, expected;
    owned.reserve(3 * count);
    expected.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      const Product& p = c.products[i];
      const auto seed = static_cast<uint32_t>(10 * i);
      in.push_back(owned.emplace_back(Tensor(p.w, {p.m, c.k}, 5).Random(seed + 2)));
    }
    for (size_t i = 0; i < biases; ++i) {
      const Product& p = c.products[i];
      in.push_back(owned.emplace_back(Tensor(p.b, {p.m}).Random(static_cast<uint32_t>(i) + 3)));
    }
    for (size_t i = 0; i < count; ++i) {
      out.push_back(owned.emplace_back(dtype, std::vector{c.n, c.products[i].m}, 4 + i));
      expected.emplace_back(dtype, std::vector{c.n, c.products[i].m});
      std::vector<TensorView> one = {x, in[1 + i]};
      if (i < biases) one.push_back(in[1 + count + i]);
      RunOp("linear", provider, one, {expected[i]});
    }
    const std::string op = "linear" + std::to_string(count);
    RunOp(op, provider, in, out, {}, biases % 2 == 0 ? 3 : 1);
    for (size_t i = 0; i < count; ++i) ExpectSame(owned[count + biases + i], expected[i]);
  }
}

// The numbers of rows leave every remainder of a tile; equal, mixed and interleaved types of
// weights; tokens around a tile, many tiles and more than one packed block.
TEST(Linear2And3, EqualLinears) {
  constexpr DType f32 = DType::kF32, bf16 = DType::kBF16, f16 = DType::kF16;
  const std::vector<std::vector<Product>> groups = {
      {{24, bf16, bf16}, {24, bf16, bf16}},
      {{13, bf16, f32}, {70, f32, bf16}},
      {{5, f16, f16}, {130, bf16, f32}},
      {{32, bf16, bf16}, {8, bf16, bf16}, {8, bf16, bf16}},
      {{9, bf16, f32}, {1, f32, f16}, {67, bf16, bf16}},
      {{66, f32, f32}, {3, f16, bf16}, {12, bf16, f16}},
  };
  ForEachProvider([&](std::string_view provider) {
    for (const DType dtype : testing::kFloatTypes) {
      for (size_t g = 0; g < groups.size(); ++g) {
        for (const auto& [n, k] : std::vector<std::pair<int64_t, int64_t>>{
                 {1, 100}, {3, 33}, {8, 64}, {67, 40}, {2, 1100}}) {
          SCOPED_TRACE(fmt::format("{} {} group {} {}x{}", provider, Name(dtype), g, n, k));
          ExpectManyLinears(provider, dtype, {n, k, groups[g]});
        }
      }
    }
    ExpectManyLinears(provider, bf16, {400, 37, groups[4]});
    ExpectManyLinears(provider, f32, {70, 2100, {{40, bf16, f32}, {66, f16, f32}}});
  });
}

struct HeadsCase {
  int64_t n, hq, hk, d, r;
};
struct HeadsTypes {
  DType dtype, kv, qw, kw;
};
struct HeadsOp {
  std::string_view style;  // empty: without norms
  std::string_view layout;
  bool writes;
  bool in_place;
  bool tokens_first;  // in the pages of the cache
  int threads;

  Attrs attrs() const {
    Attrs attrs{{"layout", std::string(layout)}};
    if (style.empty()) return attrs;
    attrs.Set("eps", 1e-5);
    attrs.Set("style", std::string(style));
    return attrs;
  }
};

// The operands of one case; q, k and v are columns of packed rows, as a fused projection leaves
// them.
struct Operands {
  Operands(const HeadsCase& c, const HeadsTypes& t)
      : packed(t.dtype, {c.n, (c.hq + 2 * c.hk) * c.d}, 3),
        qw(t.qw, {c.d}),
        kw(t.kw, {c.d}),
        cs(Angles(20, c.r)) {
    packed.Random(1, 3);
    qw.Random(4, 2);
    kw.Random(5, 2);
    for (int64_t i = 0; i < c.n; ++i) {
      positions.push_back(static_cast<int32_t>((i * 7 + 3) % 20));
      // Over the ends of pages, every fourth token stored nowhere.
      slots.push_back(i % 4 == 1 ? -1 : static_cast<int32_t>(c.n + 12 - i));
    }
  }
  Tensor packed, qw, kw, cs;
  std::vector<int32_t> positions, slots;
};
struct Heads {  // of packed rows
  Heads(const HeadsCase& c, const Tensor& packed)
      : q(View(c, packed, 0, c.hq)),
        k(View(c, packed, c.hq, c.hk)),
        v(View(c, packed, c.hq + c.hk, c.hk)) {}
  static TensorView View(const HeadsCase& c, TensorView packed, int64_t first, int64_t count) {
    packed.data += first * c.d * static_cast<int64_t>(SizeOf(packed.dtype));
    packed.rank = 3;
    packed.dims = {c.n, count, c.d};
    return packed;
  }
  TensorView q, k, v;
};

// Copies rows of one view into another of the same shape.
void CopyRows(const TensorView& from, const TensorView& to) {
  const size_t size = SizeOf(from.dtype);
  for (int64_t i = 0; i < from.rows(); ++i) {
    std::memcpy(to.data + i * to.row_stride * size, from.data + i * from.row_stride * size,
                from.width() * size);
  }
}

void ExpectHeads(std::string_view provider, const HeadsCase& c, const HeadsTypes& t,
                 const Operands& operands, const HeadsOp& op) {
  const bool norms = !op.style.empty();
  const Attrs attrs = op.attrs();
  const Tensor pos = Tensor::Ints(operands.positions), slot = Tensor::Ints(operands.slots);
  const TensorView qw = operands.qw, kw = operands.kw, cs = operands.cs;
  const int64_t pages = (c.n + 12) / kPageSize + 1;
  const bool scaled = t.kv == DType::kF8E4M3 && !op.in_place;
  Cache fused_kv(t.kv, pages, c.hk, c.d, op.tokens_first, scaled);
  Cache plain_kv(t.kv, pages, c.hk, c.d, op.tokens_first, scaled);
  const Tensor plain_rows = operands.packed, fused_rows = operands.packed;
  const Heads before(c, operands.packed), plain(c, plain_rows), fused(c, fused_rows);

  if (norms) {
    RunOp("rms_norm", provider, {plain.q, qw}, {plain.q}, attrs);
    RunOp("rms_norm", provider, {plain.k, kw}, {plain.k}, attrs);
  }
  RunOp("rope", provider, {plain.q, plain.k, pos, cs}, {plain.q, plain.k}, attrs);
  if (op.writes) RunOp("kv_write", provider, {plain.k, plain.v, slot}, {}, {}, 1, &plain_kv.view);

  std::vector<TensorView> in = {fused.q, fused.k}, out;
  if (op.writes) in.push_back(fused.v);
  if (norms) in.insert(in.end(), {qw, kw});
  in.insert(in.end(), {pos, cs});
  if (op.writes) in.push_back(slot);
  const Tensor q_out(t.dtype, {c.n, c.hq, c.d}, 2), k_out(t.dtype, {c.n, c.hk, c.d}, 1);
  out.push_back(op.in_place ? fused.q : q_out);
  if (!op.writes) out.push_back(op.in_place ? fused.k : k_out);
  const std::string name = std::string(norms ? "qk_norm_rope" : "rope");
  RunOp(name + (op.writes ? "_kv_write" : ""), provider, in, out, attrs, op.threads,
        op.writes ? &fused_kv.view : nullptr);

  // Results are in their places; where none lies, q, k and v are what they were.
  if (!op.in_place) {
    ExpectSame(fused_rows, operands.packed);
    EXPECT_TRUE(q_out.CanariesLive() && k_out.CanariesLive());
    CopyRows(q_out, fused.q);
    if (!op.writes) CopyRows(k_out, fused.k);
  }
  if (op.writes) CopyRows(before.k, plain.k);
  ExpectSame(fused_rows, plain_rows);
  ExpectSame(fused_kv.k, plain_kv.k);
  ExpectSame(fused_kv.v, plain_kv.v);
}

// One token, every kind of head and of partial rotation; 70 are work for more than one thread.
const HeadsCase kHeadsCases[] = {{5, 3, 1, 16, 16},   {1, 4, 4, 64, 64}, {70, 5, 1, 64, 64},
                                 {5, 6, 2, 80, 20},   {3, 8, 2, 96, 96}, {4, 2, 2, 128, 64},
                                 {2, 4, 1, 256, 256}, {6, 3, 3, 40, 38}};

// Every kind of op at one of the cases; threads, place and order of pages take turns.
void ExpectHeadsOps(std::string_view provider, const HeadsCase& c, const HeadsTypes& types) {
  const Operands operands(c, types);
  int turn = 0;
  for (const std::string_view style : {"", "llama", "gemma", "olmo"}) {
    for (const std::string_view layout : {"half", "interleaved"}) {
      for (const bool writes : {false, true}) {
        if (style.empty() && !writes) continue;  // rope itself
        for (const bool in_place : {false, true}) {
          const int threads = turn % 3 == 0 ? 3 : 1;
          const HeadsOp op{style, layout, writes, in_place, turn++ / 2 % 2 == 0, threads};
          SCOPED_TRACE(fmt::format("{} {} d={}/{} {} -> {} style '{}' {} writes {} in place {}",
                                   provider, c.n, c.r, c.d, Name(types.dtype), Name(types.kv),
                                   style, layout, writes, in_place));
          ExpectHeads(provider, c, types, operands, op);
        }
      }
    }
  }
}

TEST(FusedRope, EqualsItsOps) {
  ForEachProvider([](std::string_view provider) {
    for (const DType dtype : testing::kFloatTypes) {
      for (size_t kv = 0; kv < testing::kCacheTypes.size(); ++kv) {
        const std::array w = testing::kFloatTypes;
        for (const HeadsCase& c : kHeadsCases) {
          ExpectHeadsOps(
              provider, c,
              {dtype, testing::kCacheTypes[kv], w[(kv + 1) % 3], w[(kv + c.d / 16) % 3]});
        }
      }
    }
  });
}

// Values are stored by their bits: of equal types, a NaN keeps its payload.
TEST(FusedRope, ValuesKeepTheirBits) {
  ForEachProvider([](std::string_view provider) {
    const Tensor q = Tensor(DType::kBF16, {1, 1, 32}).Random(1), cs = Angles(1, 32);
    const Tensor v = Tensor(DType::kBF16, {1, 1, 32}).Random(2);
    v.view().row<uint16_t>(0)[3] = 0x7f81;  // a signalling NaN
    const Tensor zero = Tensor::Ints({0});
    Cache cache(DType::kBF16, 1, 1, 32, false);
    RunOp("rope_kv_write", provider, {q, q, v, zero, cs, zero}, {Tensor(DType::kBF16, {1, 1, 32})},
          {{"layout", std::string("half")}}, 1, &cache.view);
    EXPECT_EQ(cache.v.view().row<uint16_t>(0)[3], 0x7f81);
  });
}

}  // namespace
}  // namespace rw
